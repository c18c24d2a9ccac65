use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::*;

const DEFAULTS: &str = r#"
# A top-level value.
workers = 4

[database]
# Where it is. Required.
url = ""
# Its password. Required.
password = ""

[batch]
# Rows of one insert.
rows_max = 100_000
# Bytes of one insert.
bytes_max = "64MiB"
# Age of the oldest row.
age_max = "500ms"
# Whether to compress.
compress = true
# Columns to leave out.
without = []

[ops]
# Where health is served.
listener = "127.0.0.1:9100"
"#;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    workers: u8,
    database: Database,
    batch: Batch,
    ops: Ops,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Database {
    url: String,
    password: Secret,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    rows_max: u32,
    bytes_max: ByteSize,
    age_max: DurationSetting,
    compress: bool,
    without: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ops {
    #[serde(deserialize_with = "socket_address")]
    listener: SocketAddr,
}

impl Settings for Example {
    const DEFAULTS: &'static str = DEFAULTS;

    fn validate(&self, check: &mut Check) {
        check.http_url("database.url", &self.database.url);
        check.secret_given("database.password", &self.database.password, "the password of the database user");
        check.within("batch.rows_max", self.batch.rows_max, 1..=500_000);
        check.within("batch.bytes_max", self.batch.bytes_max, ByteSize::kib(64)..=ByteSize::mib(512));
    }
}

/// What must be given, so that a test can name the one thing it is about.
const REQUIRED: [(&str, &str); 2] = [("DATABASE_URL", "http://db:8123"), ("DATABASE_PASSWORD", "hunter2")];

fn from_environment(variables: &[(&str, &str)]) -> Result<Example, Mistakes> {
    let all = REQUIRED.iter().chain(variables);
    load(None, all.map(|(name, value)| (name.to_string(), value.to_string())))
}

fn from_file(text: &str) -> Result<Example, Mistakes> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("example.toml");
    fs::write(&path, text).expect("the file is written");
    load(Some(&path), REQUIRED.map(|(name, value)| (name.to_string(), value.to_string())))
}

/// The one mistake as `key = value: allowed`, without its origin.
fn only_mistake(result: Result<Example, Mistakes>) -> String {
    let mistakes = result.expect_err("a mistake");
    let [mistake] = mistakes.list() else { panic!("not one mistake: {mistakes}") };
    match &mistake.value {
        Some(value) => format!("{} = {value}: {}", mistake.key, mistake.allowed),
        None => format!("{}: {}", mistake.key, mistake.allowed),
    }
}

#[test]
fn the_defaults_hold_where_nothing_else_is_said() {
    let settings = from_environment(&[]).expect("good settings");
    assert_eq!(settings.batch.rows_max, 100_000);
    assert_eq!(settings.batch.age_max, DurationSetting::from_millis(500));
    assert_eq!(settings.workers, 4);
}

#[test]
fn the_file_overrides_the_defaults_and_the_environment_overrides_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("example.toml");
    fs::write(&path, "workers = 5\n[batch]\nrows_max = 7\nbytes_max = '1MiB'\n")
        .expect("the file is written");
    let environment = REQUIRED.iter().chain(&[("BATCH_ROWS_MAX", "8")]);
    let environment = environment.map(|(name, value)| (name.to_string(), value.to_string()));
    let settings: Example = load(Some(&path), environment).expect("good settings");
    assert_eq!((settings.workers, settings.batch.rows_max), (5, 8));
    assert_eq!(settings.batch.bytes_max, ByteSize::mib(1));
    assert_eq!(settings.batch.age_max, DurationSetting::from_millis(500));
}

#[test]
fn the_environment_can_set_every_kind_of_value() {
    let settings = from_environment(&[
        ("WORKERS", " 6 "),
        ("BATCH_ROWS_MAX", "250_000"),
        ("BATCH_BYTES_MAX", "1MiB"),
        ("BATCH_AGE_MAX", "2s"),
        ("BATCH_COMPRESS", "false"),
        ("BATCH_WITHOUT", "cost, tokens,"),
        ("OPS_LISTENER", "[::1]:1"),
    ]);
    let settings = settings.expect("good settings");
    assert_eq!((settings.workers, settings.batch.rows_max), (6, 250_000));
    assert_eq!(settings.batch.bytes_max, ByteSize::mib(1));
    assert_eq!(settings.batch.age_max, DurationSetting::from_secs(2));
    assert!(!settings.batch.compress);
    assert_eq!(settings.batch.without, ["cost", "tokens"]);
    assert_eq!(settings.ops.listener.port(), 1);
    assert_eq!(settings.database.password.expose(), "hunter2");
}

#[test]
fn all_mistakes_of_all_layers_are_told_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("example.toml");
    fs::write(&path, "colour = 'blue'\n[batch]\nrows_max = 0\nage_max = 5\n").expect("the file is written");
    let environment = [("BATCH_COMPRESS", "yes"), ("OPS_LISTENER", "nowhere")];
    let environment = environment.map(|(name, value)| (name.to_string(), value.to_string()));
    let mistakes = load::<Example>(Some(&path), environment).expect_err("many mistakes");
    let file = path.display();
    assert_eq!(
        mistakes.to_string(),
        format!(
            "7 mistakes in the settings
  batch.age_max = 5 (file {file}): invalid type: integer `5`, expected a duration with its \
             unit, such as `250ms`, `2s` or `1h`
  batch.compress = \"yes\" (environment BATCH_COMPRESS): invalid type: string \"yes\", expected a boolean
  batch.rows_max = 0 (file {file}): must be between 1 and 500000
  colour (file {file}): is not a setting; the settings are batch.age_max, batch.bytes_max, batch.compress, \
             batch.rows_max, batch.without, database.password, database.url, ops.listener, workers
  database.password = \"\" (default): must not be empty: give the password of the database user
  database.url = \"\" (default): must be an address such as http://host:8123, without user, password and query
  ops.listener = \"nowhere\" (environment OPS_LISTENER): expected an address and a port, such as \
             `127.0.0.1:9100`"
        )
    );
}

#[test]
fn a_value_out_of_its_type_is_refused() {
    let check = |name: &str, value: &str, mistake: &str| {
        assert_eq!(only_mistake(from_environment(&[(name, value)])), mistake);
    };
    check("WORKERS", "256", "workers = 256: invalid value: integer `256`, expected u8");
    check("WORKERS", "-1", "workers = -1: invalid value: integer `-1`, expected u8");
    check("WORKERS", "", "workers = \"\": invalid type: string \"\", expected u8");
    check("WORKERS", "1.5", "workers = \"1.5\": invalid type: string \"1.5\", expected u8");
    check(
        "BATCH_BYTES_MAX",
        "64MB",
        "batch.bytes_max = \"64MB\": expected a whole number and its unit B, KiB, MiB, GiB or TiB, such as `64MiB`",
    );
    check("BATCH_BYTES_MAX", "1GiB", "batch.bytes_max = \"1GiB\": must be between 64KiB and 512MiB");
}

#[test]
fn an_unknown_key_of_the_file_is_refused_and_the_nearest_one_named() {
    let check = |text: &str, mistake: &str| assert_eq!(only_mistake(from_file(text)), mistake);
    check("[batch]\nrow_max = 1", "batch.row_max: is not a setting; did you mean batch.rows_max?");
    check("worker = 1", "worker: is not a setting; did you mean workers?");
    check("[database.url]\nhost = 'x'", &only_mistake(from_file("database.url.host = 'x'")));
    assert!(
        only_mistake(from_file("batch = 1")).starts_with("batch: is not a setting; the settings are batch.")
    );
}

#[test]
fn a_misspelt_variable_is_refused_but_those_of_others_are_left_alone() {
    let slip = only_mistake(from_environment(&[("BATCH_ROW_MAX", "1")]));
    let wanted = "no setting has this variable; rename it to BATCH_ROWS_MAX, or unset it";
    assert_eq!(slip, format!("batch.rows_max: {wanted}"));
    from_environment(&[("DATABASE_PORT", "1"), ("PATH", "/bin"), ("BATCH", "1")])
        .expect("they belong to others");
    from_environment(&[("BATCH_ROW_MAX", "1"), ("BATCH_ROWS_MAX", "1")]).expect("the right one is there too");
}

#[test]
fn a_file_that_cannot_be_read_or_parsed_is_named() {
    let missing = load::<Example>(Some(&PathBuf::from("/nowhere/x.toml")), []).expect_err("no such file");
    assert!(
        missing.to_string().contains("(file /nowhere/x.toml): cannot be read: No such file"),
        "{missing}"
    );
    let broken = only_mistake(from_file("workers = 1\n[batch\n"));
    assert!(broken.starts_with(": is not TOML: line 2, column 7: "), "{broken}");
}

#[test]
fn no_mistake_shows_a_secret() {
    let check = |mistakes: Mistakes| {
        let shown = format!("{mistakes} {mistakes:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("4242"), "{shown}");
    };
    check(from_file("[database]\npassword = 'hunter2").expect_err("an open quote"));
    check(from_file("[database]\npassword = 4242").expect_err("no text"));
    check(from_file("[database]\npassword = ['hunter2']").expect_err("no text"));
    check(
        from_environment(&[("DATABASE_URL", "http://ana:hunter2@db")])
            .expect_err("credentials in the address"),
    );
    check(from_environment(&[("BATCH_COMPRESS", "http://ana:hunter2@db")]).expect_err("no yes or no"));
    check(from_environment(&[("DATABASE_URL", "ftp://ana:hunter2@db")]).expect_err("no HTTP address"));
}

#[test]
fn the_effective_settings_show_everything_but_secrets() {
    let settings = from_environment(&[("BATCH_WITHOUT", "http://ana:pw@x")]).expect("good settings");
    let shown = effective(&settings);
    let shown: Vec<String> = shown.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        shown,
        [
            "batch.age_max=\"500ms\"",
            "batch.bytes_max=\"64MiB\"",
            "batch.compress=true",
            "batch.rows_max=100000",
            "batch.without=[\"http://***@x\"]",
            "database.password=\"***\"",
            "database.url=\"http://db:8123\"",
            "ops.listener=\"127.0.0.1:9100\"",
            "workers=4",
        ]
    );
}

#[test]
fn only_plain_http_addresses_pass() {
    for url in ["http://db:8123", "https://db", "http://[::1]:8123/path"] {
        from_environment(&[("DATABASE_URL", url)]).expect(url);
    }
    for url in
        ["db:8123", "tcp://db:9000", "http://", "http://ana@db", "http://db?user=ana", "http://db/#x", " "]
    {
        let mistake = only_mistake(from_environment(&[("DATABASE_URL", url)]));
        assert!(mistake.contains("must be an address such as http://host:8123"), "{url}: {mistake}");
    }
}

#[test]
fn every_key_has_its_variable() {
    let keys = keys::<Example>().expect("good defaults");
    assert!(keys.contains(&("batch.rows_max".to_owned(), "BATCH_ROWS_MAX".to_owned())), "{keys:?}");
    assert_eq!(keys.len(), 9);
}

#[test]
fn good_defaults_are_the_reference() {
    check_defaults::<Example>().expect("good defaults");
}

/// A program with the one setting `left.right` and defaults of its own.
macro_rules! with_defaults {
    ($name:ident, $defaults:literal) => {
        #[derive(Clone, Debug, Serialize, Deserialize)]
        struct $name {
            left: Left,
        }

        impl Settings for $name {
            const DEFAULTS: &'static str = $defaults;
            fn validate(&self, _: &mut Check) {}
        }
    };
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Left {
    right: u8,
}

#[test]
fn defaults_that_are_no_reference_are_found() {
    with_defaults!(Uncommented, "[left]\nright = 1");
    with_defaults!(Surplus, "[left]\n# Good.\nright = 1\n# Unknown to the type.\nwrong = 2");
    with_defaults!(Missing, "[left]");
    with_defaults!(NoToml, "[left");
    with_defaults!(Twins, "# Same variable.\nleft_right = 2\n[left]\n# Same variable.\nright = 1");
    let check = |result: Result<(), String>, text: &str| {
        let error = result.expect_err(text);
        assert!(error.contains(text), "{error}");
    };
    check(check_defaults::<Uncommented>(), "no comment stands above `right = 1`");
    check(check_defaults::<Surplus>(), "the default file has [\"left.right\", \"left.wrong\"]");
    check(check_defaults::<Missing>(), "the compiled-in defaults are wrong: missing field");
    check(check_defaults::<NoToml>(), "the compiled-in defaults are wrong: TOML parse error");
    check(check_defaults::<Twins>(), "the default file has");
}
