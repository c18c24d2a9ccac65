//! What processes cost, as Linux counts it.

use anyhow::{Context, Result};

/// A process whose cost is counted.
#[derive(Debug, Clone)]
pub struct Counted {
    /// Its name in reports.
    pub name: String,
    /// The operating system's number.
    pub pid: u32,
}

/// Processor time of some processes at one moment, in milliseconds, in the order in which they were given.
#[derive(Debug, Clone)]
pub struct CpuTimes(Vec<(String, u64)>);

impl CpuTimes {
    /// User and system time so far, threads that have ended included.
    ///
    /// # Errors
    /// If one of the processes is gone.
    pub fn now(processes: &[Counted]) -> Result<Self> {
        processes.iter().map(|p| Ok((p.name.clone(), cpu_ms(p.pid)?))).collect::<Result<_>>().map(Self)
    }

    /// What was used since an earlier moment; a process that is new since then counts from its start.
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |name: &str| earlier.0.iter().find(|(known, _)| known == name).map_or(0, |(_, ms)| *ms);
        Self(self.0.iter().map(|(name, ms)| (name.clone(), ms.saturating_sub(before(name)))).collect())
    }

    /// Of all processes together.
    pub fn total_ms(&self) -> u64 {
        self.0.iter().map(|(_, ms)| ms).sum()
    }
}

impl std::fmt::Display for CpuTimes {
    /// `engine 31.40 s, ingest 9.10 s`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<_> =
            self.0.iter().map(|(name, ms)| format!("{name} {}.{:02} s", ms / 1000, ms % 1000 / 10)).collect();
        f.write_str(&parts.join(", "))
    }
}

fn cpu_ms(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    // The second field is the name in parentheses and may hold blanks; fields 14 and 15 are user and system time.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok());
    let (user, system) = ticks().zip(ticks()).with_context(|| format!("{path} has another form"))?;
    Ok((user + system) * 1000 / rustix::param::clock_ticks_per_second())
}

/// Most memory a process ever held at once, in KiB.
///
/// # Errors
/// If the process is gone.
pub fn peak_memory_kib(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok())
        .with_context(|| format!("{path} has no VmHWM"))
}

/// Name and number of the processors.
pub fn processors() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{count} × {}", model.map_or("unknown processor", |(_, name)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_this_process_is_read() {
        let this = [Counted { name: "this".into(), pid: std::process::id() }];
        let before = CpuTimes::now(&this).unwrap();
        let mut sum = 0u64;
        while CpuTimes::now(&this).unwrap().since(&before).total_ms() < 20 {
            sum = (0..1_000_000).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
        assert!(peak_memory_kib(std::process::id()).unwrap() > 1_000);
    }
}
