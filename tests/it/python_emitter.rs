//! Somebody with another language's client emits by nothing but `proto/README.md`: its own Python example is run, with
//! the partitioner it names and with librdkafka's default, and both are counted right.

use proto::partition_of;
use std::path::{Path, PathBuf};
use std::process::Command;
use system_tests::{PARTITIONS, Room, Stack, repository};

/// How many calls each run of the example publishes, each of an organisation of its own.
const CALLS: u32 = 24;

#[tokio::test]
async fn the_python_example_of_the_contract_is_counted_with_either_partitioner() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "python").await;
    let _ingest = room.start("ingest", &[]).await;

    let python = python_with_generated_code();
    publish(&python, &room, "right", &example(&room));
    publish(&python, &room, "default", &example(&room).replace(r#""partitioner": "murmur2_random","#, ""));

    room.ledger_holds(u64::from(2 * CALLS)).await;
    let query = room.reader().read("SELECT toString(org_id), partition FROM ai_calls FINAL");
    let rows: Vec<(String, u16)> = room.reader().fetch_all("testing", query).await.unwrap();
    for (org_id, partition) in rows {
        assert_eq!(u32::from(partition), partition_of(org_id.as_bytes(), PARTITIONS), "{org_id}");
    }
    // CRC32 and murmur2 agree on some keys only: the rest must have taken the detour.
    let query = room.reader().read("SELECT toUInt64(sum(rerouted)) FROM batches FINAL");
    let rerouted: u64 = room.reader().fetch_one("testing", query).await.unwrap();
    assert!(rerouted > 0 && rerouted < u64::from(CALLS), "{rerouted} of {CALLS} calls were rerouted");
}

/// The example of the contract's page, for this room's broker and topic.
fn example(room: &Room) -> String {
    let page = std::fs::read_to_string(repository().join("proto/README.md")).unwrap();
    let code =
        page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a Python example");
    let code =
        code.replace("ai-usage.calls.v1", &room.topic("calls")).replace("127.0.0.1:19092", room.brokers());
    assert!(
        code.contains(&room.topic("calls")) && code.contains(room.brokers()),
        "the example names topic and broker"
    );
    code
}

/// Runs the example once an organisation.
fn publish(python: &Path, room: &Room, kind: &str, code: &str) {
    for number in 0..CALLS {
        let code = code.replace(r#"org_id="acme""#, &format!(r#"org_id="{kind}-{number}""#));
        assert!(code.contains(&format!("{kind}-{number}")), "the example names its organisation");
        let output = Command::new(python)
            .args(["-c", &code])
            .env("PYTHONPATH", python.parent().unwrap().join("generated"))
            .output()
            .expect("Python runs");
        assert!(output.status.success(), "{}: {}", room.name, String::from_utf8_lossy(&output.stderr));
    }
}

/// A virtual environment with the client and the code generated from the `.proto`, kept between runs.
fn python_with_generated_code() -> PathBuf {
    // In cargo's folder, not the repository's: Python takes a colon in a path for the end of it.
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-emitter");
    let python = venv.join("bin/python");
    let requirements = repository().join("tests/python/requirements.txt");
    let run = |command: &mut Command| {
        let output = command.output().unwrap_or_else(|error| {
            panic!("{command:?}: {error}; install it with: sudo apt-get install python3-venv")
        });
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    }
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(requirements));
    let generated = venv.join("bin/generated");
    std::fs::create_dir_all(&generated).unwrap();
    run(Command::new(&python)
        .args(["-m", "grpc_tools.protoc", "-I"])
        .arg(repository().join("proto"))
        .arg(format!("--python_out={}", generated.display()))
        .args(["ai_call.proto", "directory.proto"]));
    python
}
