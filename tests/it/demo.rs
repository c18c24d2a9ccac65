//! `make demo` and its scripts, as a newcomer runs them: from a folder with an awkward name, beside another stack, twice.

use crate::scripts::{Scripts, bash, failed, passed};
use system_tests::{Room, Stack};

#[tokio::test]
async fn the_demo_runs_in_any_folder_beside_another_stack_and_a_second_run_adds_nothing() {
    let scripts = Scripts::copied("a folder: ä");
    let first = passed(scripts.command("deploy/demo/run").arg("--free-ports"));
    let rows = scripts.ledger().await;
    assert!(rows.starts_with("18902\t"), "{rows}");
    let pids = scripts.pids();

    let second = passed(scripts.command("make").arg("demo"));
    assert!(second.contains("nothing is published"), "{second}");
    assert_eq!(scripts.ledger().await, rows, "a second run added rows");
    assert_eq!(scripts.pids(), pids, "a second run started what ran");

    for printed in [&first, &second] {
        works_as_printed(printed);
    }
    link_signs_in(&second);

    // As if built anew since: what runs is the program of before.
    scripts.make_older("rollup");
    let told = passed(scripts.command("deploy/local/services").arg("start"));
    assert!(told.contains("rollup      was started by another build"), "{told}");
    let again = scripts.pids();
    assert_ne!(again["rollup"], pids["rollup"]);
    assert_eq!((&again["ingest"], &again["query-api"]), (&pids["ingest"], &pids["query-api"]));

    passed(scripts.command("make").arg("clean"));
    assert_eq!(scripts.left_over(), Vec::<String>::new(), "`make clean` leaves files");
}

/// Every `curl` line of a run, pasted into a shell.
fn works_as_printed(printed: &str) {
    let lines: Vec<&str> = printed.lines().map(str::trim).collect();
    let token = lines.iter().find(|line| line.starts_with("export TOKEN=")).expect("a line with the token");
    let curls: Vec<_> = lines.iter().filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(curls.len(), 4, "cards, breakdowns, log and file: {printed}");
    let folder = tempfile::tempdir().unwrap();
    for curl in curls {
        // The line itself, by a `curl` that tells the status last.
        let script =
            format!("curl() {{ command curl --write-out '\\n%{{http_code}}' \"$@\"; }}\n{token}\n{curl}");
        let answer = passed(bash(&script).current_dir(folder.path()));
        assert!(answer.ends_with("\n200"), "{curl}: {answer}");
    }
    let file = std::fs::read_dir(folder.path()).unwrap().next().expect("a CSV file").unwrap();
    let rows = std::fs::read_to_string(file.path()).unwrap().lines().count();
    assert!(rows > 100, "{} has {rows} rows", file.path().display());
}

/// The printed link, and the button behind it.
fn link_signs_in(printed: &str) {
    let mut lines = printed.lines().map(str::trim);
    let link = lines.find(|line| line.contains("/sign-in?code=")).expect("a link");
    let (page, code) = link.split_once("?code=").unwrap();
    let origin = page.trim_end_matches("/sign-in");
    let jar = tempfile::NamedTempFile::new().unwrap();
    let jar = jar.path().display();
    let opened = passed(&mut bash(&format!("curl -sS -w '\\n%{{http_code}}' '{link}'")));
    assert!(opened.contains("Sign in") && opened.ends_with("\n200"), "{opened}");
    let pressed = passed(&mut bash(&format!(
        "curl -sSL -c '{jar}' -b '{jar}' -H 'Origin: {origin}' -w '\\n%{{http_code}}' --data-urlencode 'code={code}' '{page}'"
    )));
    assert!(pressed.contains("AI usage") && pressed.ends_with("\n200"), "{pressed}");
}

#[tokio::test]
async fn services_run_on_servers_and_with_a_key_that_the_environment_names() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "services").await;
    let scripts = Scripts::in_place();
    let key = "a secret of somebody's own, long enough";
    let command = |command: &str| {
        let mut script = scripts.command("deploy/local/services");
        script.envs(room.environment().iter().cloned()).env("AUTH_KEY", key);
        script.args(command.split(' ')).arg("--free-ports");
        script
    };
    let told = passed(&mut command("start"));
    let address = told.lines().find_map(|line| line.strip_prefix("api")).expect("the API's address").trim();
    let token = passed(&mut command("token org-acme"));
    let answer = passed(&mut bash(&format!(
        "curl -sS -w '\\n%{{http_code}}' -H 'Authorization: Bearer {}' {address}/v1/orgs/org-acme/summary",
        token.trim()
    )));
    assert!(answer.ends_with("\n200"), "{answer}");
    assert!(!scripts.services().join("token-secret").exists(), "the given key was not enough");
    passed(&mut command("stop"));
}

#[test]
fn what_is_no_option_and_no_command_is_refused() {
    let scripts = Scripts::in_place();
    for (script, arguments, said) in [
        ("deploy/local/stack", "start --nope", "there is no option `--nope`"),
        ("deploy/local/stack", "start --free-ports=yes", "there is no option `--free-ports=yes`"),
        ("deploy/local/stack", "start --dir", "--dir needs a value"),
        ("deploy/local/stack", "start kafka", "`start` takes no argument, but `kafka` was given"),
        ("deploy/local/stack", "begin", "there is no command `begin`"),
        ("deploy/local/services", "start --nope", "there is no option `--nope`"),
        ("deploy/local/services", "start org-acme", "`start` takes no argument, but `org-acme` was given"),
        ("deploy/local/services", "token --org org-acme", "there is no option `--org`"),
        ("deploy/local/services", "token", "name at least one organisation"),
        ("deploy/local/services", "begin", "there is no command `begin`"),
        ("deploy/demo/run", "--nope", "there is no option `--nope`"),
        ("deploy/demo/run", "org-acme", "takes no argument, but `org-acme` was given"),
    ] {
        let told = failed(scripts.command(script).args(arguments.split(' ')));
        assert!(told.contains(said), "{script} {arguments}: {told}");
        assert!(scripts.pids().is_empty(), "{script} {arguments} started something");
    }
}

#[test]
fn what_is_missing_on_the_machine_is_named_at_once_with_the_line_that_installs_it() {
    let scripts = Scripts::in_place();
    // A machine with a shell and little more: what is not in the folder is not installed.
    let told =
        failed(scripts.command("deploy/demo/run").env("PATH", scripts.poor_path()).env_remove("BIN_DIR"));
    for said in [
        "`cargo`, to build the services",
        "`java`, to run Kafka",
        "OpenSSL's headers, to build what speaks TLS",
        "zlib's headers, to build the Kafka client",
        "install with: sudo apt-get install build-essential",
        "libssl-dev",
        "install Rust with rustup",
    ] {
        assert!(told.contains(said), "not said: {said}\n{told}");
    }
}
