//! What the first README tells operators to do, taken from its page: whoever changes the page changes the test.

use system_tests::{Room, repository};

/// The statements of the section "Backup and restore".
pub struct Manual {
    /// Into a second database, while everything runs.
    pub backup: Vec<String>,
    /// Back from there, while nothing runs.
    pub restore: Vec<String>,
}

impl Manual {
    /// For a room and the database of its backup.
    ///
    /// # Panics
    /// If the page has no longer two blocks of statements there.
    pub fn of(room: &Room, backup: &str) -> Self {
        let page = std::fs::read_to_string(repository().join("README.md")).expect("a README");
        let section = page.split("**Backup and restore.**").nth(1).expect("the section");
        let section = section.split("\n**").next().expect("its end");
        let mut blocks = section.split("```sql\n").skip(1).map(|rest| {
            let block = rest.split("```").next().expect("the end of a block");
            let block = block.replace("ai_usage_backup.", &format!("{backup}."));
            let block = block.replace("ai_usage.", &format!("{}.", room.name));
            block.lines().map(|line| line.trim_end_matches(';').to_owned()).collect::<Vec<_>>()
        });
        let (Some(backup), Some(restore), None) = (blocks.next(), blocks.next(), blocks.next()) else {
            panic!("the section has not two blocks of statements: {section}");
        };
        assert!(backup.len() >= 6 && restore.len() >= 12, "{section}");
        Self { backup, restore }
    }
}

/// Runs a statement as the user that writes.
pub async fn run(room: &Room, statement: &str) {
    let query = room.warehouse().write(statement);
    room.warehouse().execute("doing what the README says", query).await.expect(statement);
}
