//! Both renderings of the migrations are committed, so that a reviewer sees what a change does to each.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use warehouse::{Flavour, rendered_migrations};

fn rendered(flavour: &Flavour) -> String {
    let mut text = String::new();
    for (migration, statements) in rendered_migrations(flavour).unwrap() {
        text.push_str(&format!("-- {}\n\n", migration.name));
        for statement in statements {
            text.push_str(&format!("{statement};\n\n"));
        }
    }
    text
}

/// Compares with the committed file; with UPDATE_SNAPSHOTS=1 it is written anew, and the diff is the decision.
fn check(flavour: &Flavour, file: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(file);
    let now = rendered(flavour);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "{} differs from the migrations; run `UPDATE_SNAPSHOTS=1 cargo test -p warehouse --test flavours`",
        path.display()
    );
}

#[test]
fn the_single_node_gets_these_statements() {
    check(&Flavour::SingleNode, "single_node.sql");
}

#[test]
fn a_cluster_gets_these_statements() {
    check(&Flavour::Cluster("audit".into()), "cluster.sql");
}
