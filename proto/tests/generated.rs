//! The committed code of the messages is what the `.proto` files say. After a change of theirs:
//! `UPDATE_SNAPSHOTS=1 cargo test -p proto`.

use std::path::Path;

#[test]
fn the_committed_code_is_what_the_proto_files_say() {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    // `protox` is a compiler in Rust: no `protoc` is needed.
    let descriptors =
        protox::compile(["ai_call.proto", "directory.proto"], [room]).expect("the files compile");
    prost_build::Config::new().out_dir(folder.path()).compile_fds(descriptors).expect("code of the messages");
    let generated =
        std::fs::read_to_string(folder.path().join("ai_usage.v1.rs")).expect("the code was written");
    let committed = room.join("src/generated/ai_usage.v1.rs");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&committed, &generated).expect("the code can be kept");
    }
    let kept = std::fs::read_to_string(&committed).unwrap_or_default();
    assert!(
        kept == generated,
        "{} is not of these files: UPDATE_SNAPSHOTS=1 cargo test -p proto",
        committed.display()
    );
}
