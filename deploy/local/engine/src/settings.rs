//! What the operator may choose.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// The real ClickHouse engine as a server of its own: ClickHouse's HTTP interface over `libchdb`.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub struct Settings {
    /// Folder of the engine's data; made if it does not exist. One process at a time.
    #[arg(long, env = "ENGINE_DATA")]
    pub data: PathBuf,

    /// Address to listen on. Port 0 takes a free one; the log says which.
    #[arg(long, env = "ENGINE_LISTEN", default_value = "127.0.0.1:8123")]
    pub listen: SocketAddr,

    /// The ClickHouse library, fetched by `deploy/local/stack fetch`.
    #[arg(long, env = "CHDB_LIBRARY")]
    pub library: PathBuf,

    /// Password of the user `admin`, who may do everything.
    #[arg(long, env = "ENGINE_ADMIN_PASSWORD", hide_env_values = true)]
    pub admin_password: String,

    /// Password of the user `reader`, who may only read (`readonly = 1`).
    #[arg(long, env = "ENGINE_READER_PASSWORD", hide_env_values = true)]
    pub reader_password: String,

    /// Statements running at once; one more is refused with code 202.
    #[arg(long, env = "ENGINE_MAX_CONCURRENT_QUERIES", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=400))]
    pub max_concurrent_queries: u16,

    /// Memory of the engine, e.g. `2GiB`; default half of the machine's. Statements above it fail with code 241.
    #[arg(long, env = "ENGINE_MAX_MEMORY", value_parser = parse_bytes)]
    pub max_memory: Option<u64>,

    /// Memory of one statement, e.g. `512MiB`; 0 is no limit of its own.
    #[arg(long, env = "ENGINE_MAX_QUERY_MEMORY", value_parser = parse_bytes, default_value = "0")]
    pub max_query_memory: u64,

    /// Seconds running statements get to finish after SIGTERM, before they are killed.
    #[arg(long, env = "ENGINE_STOP_TIMEOUT_S", default_value_t = 20)]
    pub stop_timeout_s: u64,
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("`{unit}` is no unit of size: use B, KiB, MiB or GiB")),
    };
    let number: u64 =
        number.parse().map_err(|_| format!("`{text}` is no size: use a number and B, KiB, MiB or GiB"))?;
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_bytes("2GiB"), Ok(2 << 30));
        assert_eq!(parse_bytes("512 MiB"), Ok(512 << 20));
        assert_eq!(parse_bytes("0"), Ok(0));
        assert!(parse_bytes("2GB").is_err());
        assert!(parse_bytes("GiB").is_err());
        assert!(parse_bytes("99999999999GiB").is_err());
    }
}
