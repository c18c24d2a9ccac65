//! A server of its own for every test: a free port, a temporary folder, ended with the test.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clickhouse::Client;
use tempfile::TempDir;

pub const ADMIN_PASSWORD: &str = "test-admin";
pub const READER_PASSWORD: &str = "test-reader";

/// How long anything may take that is expected to happen; the machine may be busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Server {
    child: Child,
    pub url: String,
    log: Arc<Mutex<String>>,
    data: Data,
}

enum Data {
    Own(TempDir),
    Of(PathBuf),
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(arguments: &[&str]) -> Self {
        Self::launch(Data::Own(TempDir::new().expect("a temporary folder")), arguments)
    }

    /// On a folder that outlives the server.
    pub fn start_in(folder: &Path) -> Self {
        Self::launch(Data::Of(folder.to_owned()), &[])
    }

    fn launch(data: Data, arguments: &[&str]) -> Self {
        let folder = match &data {
            Data::Own(folder) => folder.path(),
            Data::Of(folder) => folder,
        };
        let mut child = Command::new(env!("CARGO_BIN_EXE_local-engine"))
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .args(arguments)
            .env("CHDB_LIBRARY", library())
            .env("ENGINE_ADMIN_PASSWORD", ADMIN_PASSWORD)
            .env("ENGINE_READER_PASSWORD", READER_PASSWORD)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server's program");
        let log = Arc::new(Mutex::new(String::new()));
        let address = read_log(child.stderr.take().expect("its log"), Arc::clone(&log));
        let Some(address) = address else {
            panic!("the server did not start:\n{}", log.lock().unwrap());
        };
        Self { child, url: format!("http://{address}"), log, data }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn folder(&self) -> &Path {
        match &self.data {
            Data::Own(folder) => folder.path(),
            Data::Of(folder) => folder,
        }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The official client as the user who may do everything.
    pub fn admin(&self) -> Client {
        self.user("admin", ADMIN_PASSWORD)
    }

    pub fn reader(&self) -> Client {
        self.user("reader", READER_PASSWORD)
    }

    pub fn user(&self, name: &str, password: &str) -> Client {
        Client::default().with_url(&self.url).with_user(name).with_password(password)
    }

    /// A plain HTTP request as `admin`, with `path` behind the address.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = http().post(format!("{}{path}", self.url)).body(body);
        Answer::of(request.header("X-ClickHouse-User", "admin").header("X-ClickHouse-Key", ADMIN_PASSWORD))
            .await
    }

    /// The answer to a statement that must succeed, without its last line break.
    pub async fn ask(&self, sql: &str) -> String {
        let answer = self.post("/", sql.to_owned()).await;
        assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
        answer.text().trim_end().to_owned()
    }

    /// Peak of the process's resident memory, in MiB.
    pub fn memory_peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("its status");
        let line = status.lines().find(|l| l.starts_with("VmHWM:")).expect("its memory");
        let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
        kib / 1024
    }

    /// Sends a signal and waits for the end; its exit code, if it was not killed.
    pub fn end(&mut self, signal: &str) -> Option<i32> {
        let sent = Command::new("kill").args([signal, &self.pid().to_string()]).status().expect("kill");
        assert!(sent.success());
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("its status") {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "the server did not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}

/// Collects the log in the background; returns the address it names, or nothing if it ends before.
fn read_log(stderr: impl Read + Send + 'static, log: Arc<Mutex<String>>) -> Option<String> {
    let (found, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if line.contains("listening")
                && let Some(address) = line.split_whitespace().find_map(|word| word.strip_prefix("address="))
            {
                let _ = found.send(address.to_owned());
            }
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
    address.recv_timeout(PATIENCE).ok()
}

/// `CHDB_LIBRARY`, or what `deploy/local/stack fetch` put into the artifacts folder.
pub fn library() -> PathBuf {
    if let Some(path) = std::env::var_os("CHDB_LIBRARY") {
        return path.into();
    }
    let artifacts = artifacts();
    std::fs::read_dir(&artifacts)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("libchdb.so")))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!("no ClickHouse library in {}: run `deploy/local/stack fetch`", artifacts.display())
        })
}

pub fn artifacts() -> PathBuf {
    std::env::var_os("AUDIT_ARTIFACTS_DIR")
        .map_or_else(|| repository().join(".local/artifacts"), PathBuf::from)
}

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().expect("the repository")
}

/// What came back on a plain HTTP request.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    /// The body, as far as it came.
    pub body: Vec<u8>,
    /// False if the connection broke before the body's end.
    pub whole: bool,
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let mut response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        let whole = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        Self { status, headers, body, whole }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// `(status, exception code in the header)`; the text must begin with the same code.
    pub fn error(&self) -> (u16, u16) {
        let code = self.header("x-clickhouse-exception-code").parse().unwrap_or_else(|_| {
            panic!("no error: {} {}", self.status, self.text());
        });
        assert!(self.text().contains(&format!("Code: {code}")), "{}", self.text());
        assert!(self.text().contains("(version "), "{}", self.text());
        (self.status, code)
    }
}

pub fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE * 2).build().expect("an HTTP client")
}

/// Waits until `condition` holds, and says what was seen last if it does not.
pub async fn eventually<F: Future<Output = Result<(), String>>>(mut condition: impl FnMut() -> F) {
    let began = Instant::now();
    loop {
        match condition().await {
            Ok(()) => return,
            Err(seen) => assert!(began.elapsed() < PATIENCE, "still, after {PATIENCE:?}: {seen}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A statement that runs, and yields its first row when everybody has long gone.
pub const ENDLESS: &str = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))";

/// Waits until one statement runs beside the one that asks.
pub async fn running(server: &Server) {
    eventually(|| async {
        match server.ask("SELECT count() FROM system.processes").await.as_str() {
            "2" => Ok(()),
            seen => Err(seen.to_owned()),
        }
    })
    .await;
}
