//! The scripts of the repository with data folders of the test's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use system_tests::{Process, repository};

/// The two data folders that the scripts keep, and where the scripts lie.
pub struct Scripts {
    root: PathBuf,
    folder: tempfile::TempDir,
}

impl Scripts {
    /// The repository's own scripts.
    pub fn in_place() -> Self {
        Self { root: repository(), folder: folder() }
    }

    /// A copy of the scripts in a folder of this name; they take a link's target for their place.
    pub fn copied(name: &str) -> Self {
        let folder = folder();
        let root = folder.path().join(name);
        std::fs::create_dir(&root).unwrap();
        let mut copy = Command::new("cp");
        passed(copy.current_dir(repository()).args(["-R", "deploy", "Makefile"]).arg(&root));
        Self { root, folder }
    }

    /// A script or a tool at the root, with what is built beside this test, and nothing of the environment it is run in.
    pub fn command(&self, program: &str) -> Command {
        let script = self.root.join(program);
        let mut command = Command::new(if script.exists() { script.as_os_str() } else { program.as_ref() });
        for (name, _) in std::env::vars().filter(|(name, _)| is_ours(name)) {
            command.env_remove(name);
        }
        let artifacts = std::env::var_os("AUDIT_ARTIFACTS_DIR")
            .map_or_else(|| repository().join(".local/artifacts"), PathBuf::from);
        command
            .current_dir(&self.root)
            .env("AUDIT_ARTIFACTS_DIR", artifacts)
            .env("AUDIT_LOCAL_DIR", self.stack())
            .env("AUDIT_SERVICES_DIR", self.services())
            .env("STACK_TIMEOUT_S", "300")
            .env("BIN_DIR", Process::path("ingest").parent().unwrap());
        command
    }

    /// The text of a file in the stack's data folder.
    pub fn stack_file(&self, name: &str) -> String {
        let file = self.stack().join(name);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    fn stack(&self) -> PathBuf {
        self.folder.path().join("its stack: ö")
    }

    /// The services' data folder.
    pub fn services(&self) -> PathBuf {
        self.folder.path().join("its services: ö")
    }

    /// The number of each process by name.
    pub fn pids(&self) -> BTreeMap<String, String> {
        let mut pids = BTreeMap::new();
        for file in [self.stack(), self.services()].iter().flat_map(|folder| entries(folder)) {
            if file.extension().is_some_and(|end| end == "pid") {
                let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
                pids.insert(name, std::fs::read_to_string(&file).unwrap());
            }
        }
        pids
    }

    /// Lets a service look as if its program had been built after it was started.
    pub fn make_older(&self, name: &str) {
        let file = std::fs::File::open(self.services().join(format!("{name}.pid"))).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }

    /// Rows of the ledger, each position once, also if it was read again: how many, how many calls' ids, and their greatest
    /// positions.
    pub async fn ledger(&self) -> String {
        let text = self.stack_file("stack.env");
        let variables: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let answer = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(variables["CLICKHOUSE_URL"])
            .basic_auth(variables["CLICKHOUSE_USER"], Some(variables["CLICKHOUSE_PASSWORD"]))
            .body("SELECT count(), uniqExact(event_id), max(position) FROM ai_usage.ai_calls FINAL")
            .send()
            .await
            .unwrap();
        answer.text().await.unwrap()
    }

    /// What lies in the data folders.
    pub fn left_over(&self) -> Vec<String> {
        let folders = [self.stack(), self.services()];
        folders.iter().flat_map(|folder| entries(folder)).map(|file| file.display().to_string()).collect()
    }

    /// A folder with the shell's own tools and nothing that is to be installed.
    pub fn poor_path(&self) -> PathBuf {
        let path = self.folder.path().join("bin");
        std::fs::create_dir_all(&path).unwrap();
        for tool in [
            "bash", "env", "dirname", "mkdir", "cat", "sort", "paste", "uname", "cksum", "cut", "sed", "head",
        ] {
            let found = passed(&mut bash(&format!("command -v {tool}")));
            std::os::unix::fs::symlink(found.trim(), path.join(tool)).unwrap();
        }
        path
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        let _ = self.command("deploy/local/services").arg("stop").output();
        if std::thread::panicking() {
            let _ = self.command("deploy/local/stack").arg("stop").output();
            self.folder.disable_cleanup(true);
            eprintln!("data and logs are kept in {}", self.folder.path().display());
        } else {
            let _ = self.command("deploy/local/stack").arg("wipe").output();
        }
    }
}

/// Whether a variable is read by our scripts or programs.
fn is_ours(name: &str) -> bool {
    [
        "AUDIT_",
        "AUTH_",
        "BIN_DIR",
        "CLICKHOUSE_",
        "ENGINE_",
        "KAFKA_",
        "OPS_",
        "PAGES_",
        "QUERY_API_",
        "STACK_",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("audit-demo-").tempdir().expect("a temporary folder")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A script of a line or two.
pub fn bash(script: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-euc", script]);
    command
}

/// Runs it, and returns what it printed.
pub fn passed(command: &mut Command) -> String {
    let (output, told) = run(command);
    assert!(output.status.success(), "{command:?} failed:\n{told}");
    String::from_utf8(output.stdout).expect("text")
}

/// Runs what must fail, and returns all it said.
pub fn failed(command: &mut Command) -> String {
    let (output, told) = run(command);
    assert!(!output.status.success(), "{command:?} did not fail:\n{told}");
    told
}

fn run(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, told)
}
