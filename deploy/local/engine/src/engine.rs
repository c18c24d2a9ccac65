//! The one engine of this process: its data folder, its configuration, its connections.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};

use crate::auth::User;
use crate::chdb::{Chdb, Connection, Parameters};
use crate::exception::Exception;
use crate::settings::Settings;

/// An open engine.
pub struct Engine {
    chdb: Chdb,
    path_argument: String,
    setting_names: HashSet<String>,
    version: String,
    timezone: String,
    temporary: PathBuf,
    /// Closing the last connection would stop the engine; this one stays. It also kills statements.
    resident: Mutex<Option<Connection>>,
    /// For the next statements that read: opening a connection and choosing its database takes as long as a small one.
    idle: Mutex<Vec<Reading>>,
}

/// A connection for statements that read, one after the other.
pub struct Reading {
    /// The connection.
    pub connection: Connection,
    /// What identifies its statement to [`Engine::kill`].
    pub mark: String,
    user: User,
    database: Option<String>,
}

/// Most connections that wait for the next statement.
const IDLE_MAX: usize = 16;

/// How a statement's session differs from the profile.
#[derive(Debug, Default)]
pub struct Session {
    /// Current database, if not `default`.
    pub database: Option<String>,
    /// Settings, in the order they came in.
    pub settings: Vec<(String, String)>,
    /// ClickHouse runs what came by `GET` with `readonly = 2`: reading only, settings allowed.
    pub reads_only: bool,
    /// `max_query_size`, if the statement as the engine gets it is longer than the default.
    pub query_bytes: Option<usize>,
}

impl Session {
    /// Whether it differs in its database only.
    fn is_plain(&self) -> bool {
        self.settings.is_empty() && !self.reads_only && self.query_bytes.is_none()
    }
}

impl Engine {
    /// Opens the engine on the folder `settings.data`, and makes that folder's `format_schemas` the working
    /// folder of this process: there the engine looks up the schema files that a statement names.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        let data = prepare_folder(&settings.data)?;
        let temporary = data.join("tmp");
        let configuration = write_configuration(&data, settings)?;
        if !settings.library.is_file() {
            bail!(
                "there is no ClickHouse library at {}: fetch it with `deploy/local/stack fetch`",
                settings.library.display()
            );
        }
        let library =
            settings.library.canonicalize().context("cannot resolve the path of the ClickHouse library")?;
        let schemas = data.join("format_schemas");
        std::env::set_current_dir(&schemas).with_context(|| format!("cannot enter {}", schemas.display()))?;

        let chdb = Chdb::load(&library)?;
        let path_argument = format!("--path={}", text(&data.join("store"))?);
        let arguments = [
            path_argument.clone(),
            format!("--config-file={}", text(&configuration.server)?),
            format!("--users_config={}", text(&configuration.users)?),
        ];
        let Some(mut resident) = chdb.connect(&arguments) else {
            bail!(
                "the engine cannot open {}: its message is above (another process may use this folder)",
                data.display()
            );
        };
        let mut ask = |sql: &str| -> anyhow::Result<String> {
            let output = resident.query(sql.as_bytes(), "TabSeparatedRaw", &Parameters::default())?;
            Ok(String::from_utf8_lossy(&output.bytes()).trim_end().to_owned())
        };
        let version = ask("SELECT version()")?;
        let timezone = ask("SELECT serverTimezone()")?;
        let setting_names = ask("SELECT name FROM system.settings")?.lines().map(str::to_owned).collect();
        let resident = Mutex::new(Some(resident));
        let idle = Mutex::default();
        Ok(Self { chdb, path_argument, setting_names, version, timezone, temporary, resident, idle })
    }

    /// ClickHouse's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The server's time zone.
    pub fn timezone(&self) -> &str {
        &self.timezone
    }

    /// Folder for the rows of statements that are answered when they have ended.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Opens a connection for one statement of `user`. `mark` identifies the statement to [`Engine::kill`].
    pub fn connect(&self, user: User, session: &Session, mark: &str) -> Result<Connection, Exception> {
        let mut arguments = vec![self.path_argument.clone()];
        match user {
            User::Reader => arguments.push("--readonly=1".to_owned()),
            User::Admin if session.reads_only => arguments.push("--readonly=2".to_owned()),
            User::Admin => {}
        }
        let mut comment = mark.to_owned();
        // The engine takes connection arguments without asking whether the user may set them, and ignores what it
        // does not know. Where it has to refuse, a `SET` statement makes it say so in its own words.
        let mut statements = Vec::new();
        for (name, value) in &session.settings {
            if name == "log_comment" && user == User::Admin {
                comment = format!("{value} {mark}");
            } else if user == User::Admin && self.setting_names.contains(name) && name != "readonly" {
                arguments.push(format!("--{name}={value}"));
            } else {
                statements.push((name, value));
            }
        }
        arguments.push(format!("--log_comment={comment}"));
        arguments.extend(session.query_bytes.map(|bytes| format!("--max_query_size={bytes}")));

        let mut connection = match self.chdb.connect(&arguments) {
            Some(connection) => connection,
            None => return Err(self.why_refused(session)),
        };
        for (name, value) in statements {
            set(&mut connection, name, value)?;
        }
        if let Some(database) = &session.database {
            run(&mut connection, &format!("USE {}", identifier(database)))?;
        }
        Ok(connection)
    }

    /// A connection for a `SELECT`, which leaves no trace in it: one that waits, if the session has no settings of its
    /// own and there is one of the same user and database.
    pub fn connect_to_read(&self, user: User, session: &Session, mark: &str) -> Result<Reading, Exception> {
        let is_plain = session.is_plain();
        if is_plain {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let fits = |waiting: &Reading| waiting.user == user && waiting.database == session.database;
            if let Some(index) = idle.iter().rposition(fits) {
                return Ok(idle.swap_remove(index));
            }
        }
        let (connection, mark) = (self.connect(user, session, mark)?, mark.to_owned());
        Ok(Reading { connection, mark, user, database: session.database.clone() })
    }

    /// Takes a connection back, if its session has no settings of its own.
    pub fn give_back(&self, reading: Reading, session: &Session) {
        let is_plain = session.is_plain();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if is_plain && idle.len() < IDLE_MAX {
            idle.push(reading);
        }
    }

    /// Stops the statement with this mark, wherever it is; does nothing if there is none.
    pub fn kill(&self, mark: &str) {
        let sql = format!("KILL QUERY WHERE endsWith(Settings['log_comment'], {}) ASYNC", literal(mark));
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = resident.as_mut()
            && let Err(error) = run(connection, &sql)
        {
            tracing::warn!(%error, "could not kill a statement");
        }
    }

    /// Closes the engine: with the last connection it stops its merges and releases the data folder. Every
    /// statement must have ended.
    pub fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.resident.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The engine refuses a connection without a reason; the same settings one by one give it.
    fn why_refused(&self, session: &Session) -> Exception {
        let Some(mut connection) = self.chdb.connect(std::slice::from_ref(&self.path_argument)) else {
            return Exception::from_engine("the engine opens no connection: see its log");
        };
        for (name, value) in &session.settings {
            if let Err(error) = set(&mut connection, name, value) {
                return error;
            }
        }
        Exception::from_engine("the engine refused a connection with these settings: see its log")
    }
}

fn set(connection: &mut Connection, name: &str, value: &str) -> Result<(), Exception> {
    run(connection, &format!("SET {} = {}", identifier(name), literal(value)))
}

fn run(connection: &mut Connection, sql: &str) -> Result<(), Exception> {
    connection.query(sql.as_bytes(), "Null", &Parameters::default()).map(drop)
}

fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str()
        .with_context(|| format!("the path {} is not UTF-8: choose another data folder", path.display()))
}

fn prepare_folder(data: &Path) -> anyhow::Result<PathBuf> {
    for folder in ["store", "format_schemas", "tmp"] {
        let path = data.join(folder);
        fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
    }
    data.canonicalize().with_context(|| format!("cannot resolve {}", data.display()))
}

struct Configuration {
    server: PathBuf,
    users: PathBuf,
}

fn write_configuration(data: &Path, settings: &Settings) -> anyhow::Result<Configuration> {
    // The engine lowers its limit to this part of the machine's memory; without a limit it is the limit.
    let part = if settings.max_memory.is_some() { "0.95" } else { "0.5" };
    let configuration = Configuration { server: data.join("config.xml"), users: data.join("users.xml") };
    for (path, template) in [
        (&configuration.server, include_str!("../config/config.xml")),
        (&configuration.users, include_str!("../config/users.xml")),
    ] {
        let content = template
            .replace("@MAX_SERVER_MEMORY_USAGE@", &settings.max_memory.unwrap_or(0).to_string())
            .replace("@MAX_SERVER_MEMORY_USAGE_TO_RAM_RATIO@", part)
            .replace("@MAX_MEMORY_USAGE@", &settings.max_query_memory.to_string());
        fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(configuration)
}
