//! How a service reads its settings.
//!
//! Three layers, the later wins: the commented default file compiled into the binary, which is the reference and names
//! every key; an optional file (`--settings FILE`); the environment. The environment variable of a key is the key in
//! capitals with underscores for dots: `clickhouse.url` is `CLICKHOUSE_URL`. A list is written with commas there. A
//! variable that is set but empty is an empty value, not an absent one. (Kubernetes puts variables such as `KAFKA_PORT`
//! into every pod for every Service of the namespace; `enableServiceLinks: false` keeps them from meeting a key.)
//!
//! [`load`] reports every mistake at once. A setting that may be absent is an empty text in the default file.

mod check;
mod layers;
mod mistakes;
mod secret;
mod units;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Debug;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub use check::Check;
pub use layers::environment_name;
pub use mistakes::{Mistake, Mistakes, Origin};
pub use secret::Secret;
pub use units::{ByteSize, DurationSetting, socket_address};

use layers::{Leaves, Override};

use crate::ops::OpsSettings;
use crate::telemetry::TelemetrySettings;

/// The settings of one program: a plain struct of structs with `#[serde(deny_unknown_fields)]`, each section a field.
pub trait Settings: DeserializeOwned + Serialize + Clone + Debug {
    /// The commented default file: `include_str!("../settings.toml")`. It must name every key, because it alone decides
    /// which keys exist; [`check_defaults`] proves that in a unit test.
    const DEFAULTS: &'static str;

    /// Checks the bounds that types cannot express. Runs on the merged settings; where a value could not be read, its
    /// default stands in.
    fn validate(&self, check: &mut Check);
}

/// Settings of a long-running service, which all have two sections in common.
pub trait ServiceSettings: Settings {
    /// The section `[telemetry]`.
    fn telemetry(&self) -> &TelemetrySettings;

    /// The section `[ops]`.
    fn ops(&self) -> &OpsSettings;
}

/// The settings of this process: defaults, then the file if there is one, then the environment.
///
/// # Errors
///
/// All mistakes of all layers: unreadable file, unknown keys, values of the wrong type, values out of bounds.
pub fn load<T: Settings>(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, Mistakes> {
    let defaults = default_leaves::<T>()?;
    let (mut overrides, mut mistakes) =
        file.map(|path| layers::from_file(path, &defaults)).unwrap_or_default();
    let (from_environment, slips) = layers::from_environment(environment, &defaults);
    overrides.extend(from_environment);
    mistakes.extend(slips);

    let mut effective = defaults.clone();
    let mut origins = BTreeMap::new();
    for Override { key, value, origin } in overrides {
        // Each override is tried alone over the defaults: deserialising all of them together would report one mistake
        // and hide the others.
        match read::<T>(&with(&defaults, &key, value.clone())) {
            Ok(_) => {
                effective.insert(key.clone(), value);
                origins.insert(key, origin);
            }
            Err(why) => {
                let secret = is_secret::<T>(&defaults, &key);
                let shown = if secret { secret::MASK.to_owned() } else { show(&value) };
                // The reason quotes the value, so a secret has none.
                let allowed =
                    if secret { "must be a text".to_owned() } else { secret::mask_credentials(&why) };
                mistakes.push(Mistake { key, value: Some(shown), origin, allowed });
            }
        }
    }

    let settings: T = read(&effective).map_err(|why| Mistake {
        key: String::new(),
        value: None,
        origin: Origin::Default,
        allowed: why,
    })?;
    let mut check = Check::new(shown(&settings, &origins));
    settings.validate(&mut check);
    let unread: Vec<String> = mistakes.iter().map(|mistake| mistake.key.clone()).collect();
    mistakes.extend(check.into_mistakes().into_iter().filter(|mistake| !unread.contains(&mistake.key)));
    Mistakes::none_in(settings, mistakes)
}

/// As [`load`], with the environment of this process.
///
/// # Errors
///
/// See [`load`].
pub fn load_from_process<T: Settings>(file: Option<&Path>) -> Result<T, Mistakes> {
    // A value that is not UTF-8 must be seen and refused by its type, rather than be overlooked.
    let text = |text: OsString| text.to_string_lossy().into_owned();
    load(file, std::env::vars_os().map(|(name, value)| (text(name), text(value))))
}

/// Every setting with its value as text, secrets masked: what is logged at start.
pub fn effective(settings: &impl Settings) -> Vec<(String, String)> {
    shown(settings, &BTreeMap::new()).into_iter().map(|(key, (value, _))| (key, value)).collect()
}

/// Every key of the program with its environment variable, in the order of the keys.
///
/// # Errors
///
/// When the compiled-in defaults do not fit the type; see [`check_defaults`].
pub fn keys<T: Settings>() -> Result<Vec<(String, String)>, Mistakes> {
    let defaults = default_leaves::<T>()?;
    Ok(defaults.into_keys().map(|key| (key.clone(), environment_name(&key))).collect())
}

/// Proves, in a unit test of each program, that its default file is the reference it claims to be: it fits the type, it
/// names exactly the type's keys, a comment stands above each, and no two keys have the same environment variable.
///
/// # Errors
///
/// What is wrong with the file.
pub fn check_defaults<T: Settings>() -> Result<(), String> {
    let defaults = default_leaves::<T>().map_err(|mistakes| mistakes.to_string())?;
    let settings: T = read(&defaults)?;
    let of_type: Vec<String> = effective(&settings).into_iter().map(|(key, _)| key).collect();
    let of_file: Vec<String> = defaults.keys().cloned().collect();
    if of_type != of_file {
        return Err(format!("the type has the keys {of_type:?}, the default file has {of_file:?}"));
    }
    let mut names = BTreeMap::new();
    for key in defaults.keys() {
        if let Some(other) = names.insert(environment_name(key), key) {
            return Err(format!("{key} and {other} have the same environment variable"));
        }
    }
    let lines: Vec<&str> = T::DEFAULTS.lines().map(str::trim).collect();
    let is_setting = |line: &str| !line.starts_with(['#', '[']) && line.contains(" = ");
    match lines.windows(2).find(|pair| is_setting(pair[1]) && !pair[0].starts_with('#')) {
        Some(pair) => Err(format!("no comment stands above `{}`", pair[1])),
        None => Ok(()),
    }
}

fn default_leaves<T: Settings>() -> Result<Leaves, Mistakes> {
    let wrong = |why: String| Mistake {
        key: String::new(),
        value: None,
        origin: Origin::Default,
        allowed: format!("the compiled-in defaults are wrong: {why}"),
    };
    let table = T::DEFAULTS.parse::<Table>().map_err(|why| wrong(why.to_string()))?;
    let leaves = layers::leaves(&table);
    read::<T>(&leaves).map_err(wrong)?;
    Ok(leaves)
}

fn read<T: Settings>(leaves: &Leaves) -> Result<T, String> {
    layers::nest(leaves).try_into().map_err(|why: toml::de::Error| why.message().replace('\n', " "))
}

fn with(leaves: &Leaves, key: &str, value: Value) -> Leaves {
    let mut changed = leaves.clone();
    changed.insert(key.to_owned(), value);
    changed
}

/// Whether the key's type masks what it holds: seen by giving it a text and looking at what it shows.
fn is_secret<T: Settings>(defaults: &Leaves, key: &str) -> bool {
    let probe = with(defaults, key, Value::String("probe".to_owned()));
    let shown = read::<T>(&probe).ok().and_then(|settings| serialised(&settings).remove(key));
    shown.is_some_and(|value| value.as_str() == Some(secret::MASK))
}

fn serialised(settings: &impl Settings) -> Leaves {
    Table::try_from(settings).map(|table| layers::leaves(&table)).unwrap_or_default()
}

fn shown(settings: &impl Settings, origins: &BTreeMap<String, Origin>) -> BTreeMap<String, (String, Origin)> {
    let origin = |key: &str| origins.get(key).cloned().unwrap_or(Origin::Default);
    serialised(settings).into_iter().map(|(key, value)| (key.clone(), (show(&value), origin(&key)))).collect()
}

fn show(value: &Value) -> String {
    secret::mask_credentials(&value.to_string())
}

#[cfg(test)]
mod tests;
