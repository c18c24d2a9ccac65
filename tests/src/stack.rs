//! The local stack: shared by the tests of a run, or one of a test's own that it may break.

use crate::{Process, Proxy, repository};
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// One of the two engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The broker.
    Kafka,
    /// The engine's server.
    ClickHouse,
}

impl Component {
    fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::ClickHouse => "clickhouse",
        }
    }
}

/// A running local stack.
#[derive(Debug)]
pub struct Stack {
    dir: PathBuf,
    variables: HashMap<String, String>,
    /// Keeps the folder of an owned stack, which is stopped and removed with it.
    owned: Option<tempfile::TempDir>,
}

impl Stack {
    /// The stack of this run: its folder stands in `AUDIT_TEST_STACK`. Never stop or break it.
    ///
    /// # Panics
    /// If none runs.
    pub fn shared() -> Self {
        let dir = std::env::var("AUDIT_TEST_STACK").unwrap_or_default();
        assert!(
            !dir.is_empty(),
            "no stack for tests: run `make test`, or start one with `deploy/local/stack start --free-ports --dir DIR` and \
             set AUDIT_TEST_STACK=DIR"
        );
        let dir = PathBuf::from(dir);
        let variables = variables(&dir);
        Self { dir, variables, owned: None }
    }

    /// A stack of the test's own, stopped and removed at its end; where the test failed, only stopped.
    ///
    /// # Panics
    /// If it does not start; the reason is what the script says.
    pub fn start_own() -> Self {
        Self::start_in(own_folder(), &[], None)
    }

    /// A stack of the test's own whose broker can also be reached through a proxy, at the proxy's address.
    ///
    /// # Panics
    /// As [`Self::start_own`].
    pub fn start_own_behind(proxy: &Proxy) -> Self {
        let stack = Self::start_in(own_folder(), &["--advertise", proxy.address()], None);
        proxy.aim(stack.variable("KAFKA_BEHIND_PROXY"));
        stack
    }

    /// A stack of the test's own whose engine has a small disk to itself: room for `size` (64m) and so many files and
    /// folders. The disk ends with the engine's process, which must not be started again.
    ///
    /// # Panics
    /// As [`Self::start_own`], and where the machine refuses namespaces: the reason says what to do.
    pub fn start_own_on_small_disk(size: &str, files: u32) -> Self {
        let owned = own_folder();
        let engine =
            std::env::var_os("ENGINE_BIN").map_or_else(|| Process::path("local-engine"), PathBuf::from);
        let program = owned.path().join("engine-on-small-disk");
        let [script, data, engine] =
            [repository().join("tests/small-disk"), owned.path().join("clickhouse"), engine]
                .map(|path| format!("'{}'", path.display().to_string().replace('\'', r"'\''")));
        let text = format!("#!/bin/sh\nexec {script} {data} {size} {files} {engine} \"$@\"\n");
        std::fs::write(&program, text).expect("the folder can be written to");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        Self::start_in(owned, &[], Some(&program))
    }

    fn start_in(owned: tempfile::TempDir, options: &[&str], engine: Option<&Path>) -> Self {
        let dir = owned.path().to_owned();
        let mut start = command(&dir, &[&["start", "--free-ports"], options].concat());
        start.envs(engine.map(|program| ("ENGINE_BIN", program)));
        // Before it starts: if only one of the two does, dropping it stops that.
        let mut stack = Self { dir, variables: HashMap::new(), owned: Some(owned) };
        succeed(start);
        stack.variables = variables(&stack.dir);
        stack
    }

    /// The engine's data folder, as its process sees it: also if that is a small disk, which nobody else sees.
    pub fn engine_disk(&self) -> PathBuf {
        let data = self.dir.join("clickhouse");
        let data = data.strip_prefix("/").expect("an absolute path");
        Path::new("/proc").join(self.pid(Component::ClickHouse).to_string()).join("root").join(data)
    }

    /// The folder with its data and logs.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A value of the stack's environment, e.g. `KAFKA_BROKERS`.
    ///
    /// # Panics
    /// If the stack does not offer it.
    pub fn variable(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_else(|| panic!("{}/stack.env has no {name}", self.dir.display()))
    }

    /// Stops one of the engines cleanly. Own stacks only.
    pub fn stop(&self, component: Component) {
        self.assert_own();
        script(&self.dir, &["stop", "--only", component.name()]);
    }

    /// Starts it again, on the same port and data.
    pub fn start(&self, component: Component) {
        self.assert_own();
        script(&self.dir, &["start", "--only", component.name()]);
    }

    /// Ends it as a loss of power would end the process: SIGKILL. Returns when it is gone: one that waits for its disk is
    /// still there for a while, and `start` would take it for one that runs.
    ///
    /// # Panics
    /// If it does not go.
    pub fn kill(&self, component: Component) {
        let pid = self.pid(component);
        self.signal(component, rustix::process::Signal::KILL);
        for _ in 0..600 {
            if is_gone(pid) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{} was killed and is still there", component.name());
    }

    /// Freezes it (SIGSTOP): connections stay open and nothing answers.
    pub fn freeze(&self, component: Component) {
        self.signal(component, rustix::process::Signal::STOP);
    }

    /// Wakes it up again (SIGCONT).
    pub fn thaw(&self, component: Component) {
        self.signal(component, rustix::process::Signal::CONT);
    }

    fn signal(&self, component: Component, signal: rustix::process::Signal) {
        self.assert_own();
        let pid = rustix::process::Pid::from_raw(self.pid(component)).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("the engine runs");
    }

    fn pid(&self, component: Component) -> i32 {
        let file = self.dir.join(format!("{}.pid", component.name()));
        let pid = std::fs::read_to_string(&file).expect("the pid file of a running engine");
        pid.trim().parse().expect("a pid")
    }

    fn assert_own(&self) {
        assert!(self.owned.is_some(), "the shared stack must not be broken: use Stack::start_own()");
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.owned.is_some() {
            for component in [Component::Kafka, Component::ClickHouse] {
                let file = self.dir.join(format!("{}.pid", component.name()));
                // A frozen engine would not end by SIGTERM.
                if let Ok(pid) = std::fs::read_to_string(file)
                    && let Some(pid) = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw)
                {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::CONT);
                }
            }
            if std::thread::panicking() {
                let _ = command(&self.dir, &["stop"]).output();
                if let Some(owned) = &mut self.owned {
                    owned.disable_cleanup(true);
                }
                eprintln!("the stack's data and logs are kept in {}", self.dir.display());
            } else {
                let _ = command(&self.dir, &["wipe"]).output();
            }
        }
    }
}

/// Whether nothing of a process is left but what its parent has not asked for yet: of its threads one may still wait for the
/// disk when the first has ended. Where there is no `/proc`, nobody can say, and nothing is waited for.
fn is_gone(pid: i32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    threads <= 1 && status.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}

fn own_folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("audit-stack-").tempdir().expect("a temporary folder")
}

fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(repository().join("deploy/local/stack"));
    command.args(arguments).arg("--dir").arg(dir);
    command
}

fn script(dir: &Path, arguments: &[&str]) {
    succeed(command(dir, arguments));
}

fn succeed(mut command: Command) {
    let output = command.output().expect("deploy/local/stack is there");
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn variables(dir: &Path) -> HashMap<String, String> {
    let file = dir.join("stack.env");
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; is the stack running?", file.display()));
    text.lines()
        .filter_map(|line| line.trim().trim_start_matches("export ").split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches(|c| c == '"' || c == '\'').to_owned()))
        .collect()
}
