//! One of our binaries, run as it is deployed.

use crate::{eventually, http_get};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for the end of a process.
const LIFE_MAX: Duration = Duration::from_secs(300);

/// A running binary with its log. Killed when dropped; the log is printed when the test is failing.
pub struct Process {
    binary: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Process {
    /// Starts a binary of this workspace.
    ///
    /// # Panics
    /// If it is not built.
    pub fn spawn(binary: &str, arguments: &[&str], environment: &[(String, String)]) -> Self {
        let path = Self::path(binary);
        assert!(
            path.exists(),
            "{} is not built: run `make test`, or `cargo build --workspace`",
            path.display()
        );
        Self::run(binary, &path, arguments, environment)
    }

    /// Starts this very test program again, to run one of its tests as a process of its own.
    pub fn spawn_test(test: &str, environment: &[(String, String)]) -> Self {
        let program = std::env::current_exe().expect("the path of this test");
        Self::run(test, &program, &["--exact", test, "--nocapture"], environment)
    }

    fn run(binary: &str, path: &Path, arguments: &[&str], environment: &[(String, String)]) -> Self {
        let mut child = Command::new(path)
            .args(arguments)
            .envs(environment.iter().cloned())
            .env("TELEMETRY_FORMAT", "text")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let out = follow(child.stdout.take().expect("piped"), Arc::clone(&log));
        let err = follow(child.stderr.take().expect("piped"), Arc::clone(&log));
        Self { binary: binary.into(), child, log, readers: vec![out, err] }
    }

    /// Where a binary of this workspace lies: beside the test that runs.
    pub fn path(binary: &str) -> PathBuf {
        let test = std::env::current_exe().expect("the path of this test");
        let profile = test.ancestors().find(|dir| dir.join("deps").is_dir()).expect("the target folder");
        profile.join(binary)
    }

    /// The operating system's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has said so far, line by line.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().map(|log| log.clone()).unwrap_or_default()
    }

    /// Whether a line of its log holds `text` by now.
    pub fn has_said(&self, text: &str) -> bool {
        self.log.lock().is_ok_and(|log| log.iter().any(|line| line.contains(text)))
    }

    /// Waits until a line of its log holds `text`, and returns the line.
    pub async fn says(&self, text: &str) -> String {
        eventually(&format!("{} to say `{text}`", self.binary), async || {
            let log = self.log();
            log.iter().find(|line| line.contains(text)).cloned().ok_or_else(|| log.join("\n"))
        })
        .await
    }

    /// The address of its ops listener, as its log names it.
    pub async fn ops_address(&self) -> String {
        let line = self.says("health and metrics on http://").await;
        line.split("http://")
            .nth(1)
            .and_then(|rest| rest.split(['/', ' ', '"']).next())
            .expect("an address in the line")
            .into()
    }

    /// Waits until `/readyz` says so. A service that has only just begun has no component yet, and would seem ready.
    pub async fn ready(&self) {
        let url = format!("http://{}/readyz", self.ops_address().await);
        eventually(&format!("{} to be ready", self.binary), async || {
            let answer = http_get(&url).await.map_err(|error| error.to_string())?;
            let status = answer.status();
            let body = answer.text().await.unwrap_or_default();
            if status.is_success() && !body.contains(r#""components":{}"#) {
                Ok(())
            } else {
                Err(format!("{status} {body}"))
            }
        })
        .await;
    }

    /// SIGKILL: no farewell.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and its exit status.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    /// Sends a signal, e.g. STOP and CONT to make it a zombie that wakes up.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid =
            i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("the process is there");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it goes on for five minutes: a test that hangs tells nothing.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LIFE_MAX;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                break status;
            }
            assert!(Instant::now() < deadline, "{} does not end: {}", self.binary, self.log().join("\n"));
            std::thread::sleep(Duration::from_millis(10));
        };
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        status
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A frozen process takes SIGKILL as well.
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(60);
            eprintln!("--- the last lines of {} ---\n{}", self.binary, log[tail..].join("\n"));
        }
    }
}

fn follow(
    stream: impl std::io::Read + Send + 'static,
    log: Arc<Mutex<Vec<String>>>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Ok(mut log) = log.lock() {
                log.push(line);
            }
        }
    })
}
