//! One source of SQL, two flavours: a single ClickHouse node, and a cluster of replicated shards.
//!
//! Placeholders in the migrations, rendered by [`Flavour::render`]:
//!
//! | placeholder | single node | cluster `c` |
//! |---|---|---|
//! | `{{table t}}` | `t` | `t_local` |
//! | `{{on_cluster}}` | nothing | `ON CLUSTER 'c'` |
//! | `{{engine E t}}`, `{{engine E(v) t}}` | `E`, `E(v)` | `ReplicatedE(path, replica[, v])` |
//! | `{{distributed t key}}` | nothing | a `Distributed` table `t` over `t_local`, sharded by `key` |
//! | `{{settings}}` | syncs every insert to disk | nothing: a quorum of replicas is what makes it durable |

/// How the warehouse is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flavour {
    /// One ClickHouse node.
    SingleNode,
    /// A cluster, by its name in the server's configuration.
    Cluster(String),
}

/// A migration that cannot be rendered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// `{{` without `}}`.
    #[error("a placeholder is not closed: `{0}`")]
    NotClosed(String),
    /// None of the placeholders above.
    #[error("there is no placeholder `{0}`")]
    Unknown(String),
}

/// Written into the table's definition, so that no writer can forget it: an acknowledged insert survives a loss
/// of power.
const SYNCED: &str = "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1";

impl Flavour {
    /// How a statement begins that deletes rows of a table: up to its condition.
    pub fn delete_from(&self, table: &str) -> String {
        match self {
            Self::SingleNode => format!("DELETE FROM {table}"),
            Self::Cluster(cluster) => format!("DELETE FROM {table}_local ON CLUSTER '{cluster}'"),
        }
    }

    /// The statements of a migration, in order, comments kept.
    ///
    /// # Errors
    /// An unknown or unclosed placeholder.
    pub fn render(&self, migration: &str) -> Result<Vec<String>, RenderError> {
        let mut sql = String::with_capacity(migration.len() * 2);
        let mut rest = migration;
        while let Some((before, after)) = rest.split_once("{{") {
            let (placeholder, after) = after
                .split_once("}}")
                .ok_or_else(|| RenderError::NotClosed(after.chars().take(40).collect()))?;
            sql.push_str(before);
            sql.push_str(&self.expand(placeholder)?);
            rest = after;
        }
        sql.push_str(rest);
        Ok(sql
            .split(";\n")
            .map(str::trim)
            .filter(|statement| has_sql(statement))
            .map(str::to_owned)
            .collect())
    }

    fn expand(&self, placeholder: &str) -> Result<String, RenderError> {
        let words: Vec<&str> = placeholder.split(' ').collect();
        let text = match (self, words.as_slice()) {
            (Self::SingleNode, ["table", table]) => (*table).into(),
            (Self::Cluster(_), ["table", table]) => format!("{table}_local"),
            (Self::SingleNode, ["on_cluster"]) => String::new(),
            (Self::Cluster(cluster), ["on_cluster"]) => format!("ON CLUSTER '{cluster}'"),
            (Self::SingleNode, ["engine", engine, _]) => (*engine).into(),
            (Self::Cluster(_), ["engine", engine, table]) => replicated(engine, table),
            (Self::SingleNode, ["distributed", _, _]) => String::new(),
            (Self::Cluster(cluster), ["distributed", table, key]) => format!(
                "CREATE TABLE IF NOT EXISTS {table} ON CLUSTER '{cluster}' AS {table}_local\n\
                 ENGINE = Distributed('{cluster}', currentDatabase(), {table}_local, {key})"
            ),
            (Self::SingleNode, ["settings"]) => SYNCED.into(),
            (Self::Cluster(_), ["settings"]) => String::new(),
            _ => return Err(RenderError::Unknown(placeholder.into())),
        };
        Ok(text)
    }
}

/// `{shard}`, `{replica}` and `{database}` are macros of the server, not placeholders of ours.
fn replicated(engine: &str, table: &str) -> String {
    let (name, version) = match engine.split_once('(') {
        Some((name, version)) => (name, format!(", {}", version.trim_end_matches(')'))),
        None => (engine, String::new()),
    };
    format!("Replicated{name}('/clickhouse/tables/{{shard}}/{{database}}/{table}', '{{replica}}'{version})")
}

fn has_sql(statement: &str) -> bool {
    statement.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_placeholder_has_both_renderings() {
        let migration = "CREATE TABLE {{table t}} {{on_cluster}} (a UInt8)\nENGINE = {{engine ReplacingMergeTree(a) t}}\n\
                         {{settings}};\n\n{{distributed t rand()}};\n";
        assert_eq!(
            Flavour::SingleNode.render(migration).unwrap(),
            [format!("CREATE TABLE t  (a UInt8)\nENGINE = ReplacingMergeTree(a)\n{SYNCED}")]
        );
        let cluster = Flavour::Cluster("audit".into()).render(migration).unwrap();
        assert_eq!(cluster.len(), 2);
        assert!(cluster[0].contains(
            "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/t', '{replica}', a)"
        ));
        assert!(cluster[1].contains("Distributed('audit', currentDatabase(), t_local, rand())"));
    }

    #[test]
    fn rows_are_deleted_on_every_node() {
        assert_eq!(Flavour::SingleNode.delete_from("t"), "DELETE FROM t");
        assert_eq!(
            Flavour::Cluster("audit".into()).delete_from("t"),
            "DELETE FROM t_local ON CLUSTER 'audit'"
        );
    }

    #[test]
    fn a_placeholder_nobody_knows_is_an_error() {
        assert_eq!(Flavour::SingleNode.render("{{tabel t}}"), Err(RenderError::Unknown("tabel t".into())));
        assert!(matches!(Flavour::SingleNode.render("{{table t"), Err(RenderError::NotClosed(_))));
    }
}
