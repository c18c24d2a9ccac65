//! Names of members, as the directory tells them now.

use crate::labels::UNKNOWN_USER;
use crate::queries;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use utoipa::ToSchema;
use warehouse::{MemberRow, Warehouse, WarehouseError};

/// Members by id.
#[derive(Debug, Default)]
pub struct Directory(HashMap<String, MemberRow>);

/// A member as answers carry them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Person {
    /// The member's id in the emitting application.
    pub member_id: String,
    /// What to show: the name, or `Unknown user`.
    pub label: String,
    /// Name; null for a removed member and for one the directory never told of.
    pub name: Option<String>,
    /// E-mail; null as the name.
    pub email: Option<String>,
    /// Whether the directory ever told of the member.
    pub known: bool,
    /// Whether the member has left.
    pub removed: bool,
}

impl Directory {
    /// All members of an organisation, about 100 bytes each.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn all(warehouse: &Warehouse, org_id: &str) -> Result<Self, WarehouseError> {
        Self::read(warehouse, org_id, true, &[]).await
    }

    /// Some members of an organisation; an id may be given more than once.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn of(
        warehouse: &Warehouse,
        org_id: &str,
        ids: impl IntoIterator<Item = &str>,
    ) -> Result<Self, WarehouseError> {
        // Many calls of a page are of the same few members.
        let ids: Vec<&str> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        if ids.is_empty() {
            return Ok(Self::default());
        }
        Self::read(warehouse, org_id, false, &ids).await
    }

    /// The person behind an id.
    pub fn person(&self, member_id: &str) -> Person {
        let row = self.0.get(member_id);
        let shown = row.filter(|row| !row.removed);
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let name = shown.and_then(|row| text(&row.name));
        Person {
            member_id: member_id.to_owned(),
            label: match (&name, shown) {
                (Some(name), _) => name.clone(),
                (None, Some(row)) if !row.email.is_empty() => row.email.clone(),
                _ => UNKNOWN_USER.to_owned(),
            },
            name,
            email: shown.and_then(|row| text(&row.email)),
            known: row.is_some(),
            removed: row.is_some_and(|row| row.removed),
        }
    }

    /// The ids of all members that are known here, in their own order.
    pub fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.0.keys().map(String::as_str).collect();
        ids.sort_unstable();
        ids
    }

    async fn read(
        warehouse: &Warehouse,
        org_id: &str,
        all: bool,
        ids: &[&str],
    ) -> Result<Self, WarehouseError> {
        let query =
            warehouse.read(queries::MEMBERS).param("org_id", org_id).param("all", all).param("ids", ids);
        let rows: Vec<MemberRow> = warehouse.fetch_all("reading the members", query).await?;
        Ok(Self(rows.into_iter().map(|row| (row.member_id.clone(), row)).collect()))
    }
}
