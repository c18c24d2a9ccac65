//! Safe handles to the engine: a [`Chdb`] library, its [`Connection`]s, an [`Insert`] that takes data piece by piece.
//!
//! Every call blocks the thread it is made on. A handle may move between threads, but is used by one at a time.

mod api;

use std::ffi::{CStr, CString, c_char};
use std::path::Path;
use std::ptr;

use anyhow::Context;
use bytes::Bytes;

use crate::exception::Exception;
use api::{Api, RawConnection, RawInsert, RawResult};

/// The loaded library. Copies are the same library.
#[derive(Clone, Copy)]
pub struct Chdb(&'static Api);

impl Chdb {
    /// Loads `libchdb` from `path`, for the rest of the process.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        // SAFETY: the operator names the library; its version is pinned by `deploy/local/clickhouse/package.json`.
        let api = unsafe { Api::load(path.as_os_str()) }
            .with_context(|| format!("cannot load the ClickHouse library {}", path.display()))?;
        // SAFETY: a plain call. Crash handlers of the engine would replace those of the Rust runtime.
        unsafe { (api.set_signal_handlers_enabled)(0) };
        Ok(Self(Box::leak(Box::new(api))))
    }

    /// Opens a connection. `arguments` are `--name=value`: query settings hold for this connection; settings of
    /// the server count on the first connection of the process only. Names the engine does not know are ignored.
    ///
    /// `None` means that the engine refused: it tells the reason in its log only.
    pub fn connect(self, arguments: &[String]) -> Option<Connection> {
        let arguments: Vec<CString> =
            arguments.iter().map(|a| CString::new(a.as_str())).collect::<Result<_, _>>().ok()?;
        let mut pointers: Vec<*mut c_char> = vec![c"clickhouse".as_ptr().cast_mut()];
        pointers.extend(arguments.iter().map(|a| a.as_ptr().cast_mut()));
        let count = i32::try_from(pointers.len()).ok()?;
        // SAFETY: `count` NUL-terminated strings, which outlive the call; the engine copies them.
        let handle = unsafe { (self.0.connect)(count, pointers.as_mut_ptr()) };
        (!handle.is_null()).then_some(Connection { api: self.0, handle })
    }
}

/// A connection: a session with settings and a current database of its own. It runs one statement at a time.
pub struct Connection {
    api: &'static Api,
    handle: *mut RawConnection,
}

// SAFETY: the engine ties a connection to no thread; `&mut self` on every statement keeps its use sequential.
unsafe impl Send for Connection {}

impl Connection {
    /// Runs one statement to its end and returns its output, which the engine holds in memory.
    pub fn query(&mut self, sql: &[u8], format: &str, parameters: &Parameters) -> Result<Output, Exception> {
        let p = parameters.arrays();
        // SAFETY: every pointer comes with its length and outlives the call; the connection is open.
        let raw = unsafe {
            (self.api.query_with_params_n)(
                *self.handle,
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                p.names.as_ptr(),
                p.name_lengths.as_ptr(),
                p.values.as_ptr(),
                p.value_lengths.as_ptr(),
                p.names.len(),
            )
        };
        Output { api: self.api, raw }.checked()
    }

    /// Begins an `INSERT`. `sql` ends before its `FORMAT` clause.
    pub fn insert(self, sql: &[u8], format: &str, parameters: &Parameters) -> Result<Insert, Exception> {
        let p = parameters.arrays();
        // SAFETY: as in `query`.
        let raw = unsafe {
            (self.api.stream_insert_with_params_n)(
                *self.handle,
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                p.names.as_ptr(),
                p.name_lengths.as_ptr(),
                p.values.as_ptr(),
                p.value_lengths.as_ptr(),
                p.names.len(),
            )
        };
        let api = self.api;
        let insert = Insert { raw, connection: self };
        // SAFETY: the handle is never null, also when the statement failed.
        match unsafe { text((api.stream_insert_error)(raw)) } {
            Some(error) => Err(Exception::from_engine(&error)),
            None => Ok(insert),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: opened by `connect`, closed once.
        unsafe { (self.api.close_conn)(self.handle) };
    }
}

/// An `INSERT` under way. Dropping it without [`Insert::finish`] cancels it: blocks the engine had already
/// written stay, as in every ClickHouse.
pub struct Insert {
    raw: RawInsert,
    connection: Connection,
}

// SAFETY: as for `Connection`.
unsafe impl Send for Insert {}

impl Insert {
    /// Hands over the next piece of the data, cut anywhere. Blocks while the engine is behind.
    /// Returns false if the insert has failed; [`Insert::finish`] then tells why.
    pub fn append(&mut self, data: &[u8]) -> bool {
        // SAFETY: the engine copies `data` before it returns.
        unsafe { (self.connection.api.stream_append)(self.raw, data.as_ptr().cast(), data.len()) == 0 }
    }

    /// Ends the data and waits until it is written.
    pub fn finish(self) -> Result<Output, Exception> {
        let api = self.connection.api;
        // SAFETY: the handle is open; `drop` releases it afterwards.
        Output { api, raw: unsafe { (api.stream_done)(self.raw) } }.checked()
    }
}

impl Drop for Insert {
    fn drop(&mut self) {
        // SAFETY: the handle is released once, before its connection; cancelling a finished insert does nothing.
        unsafe {
            (self.connection.api.stream_cancel_insert)(self.raw);
            (self.connection.api.destroy_insert_stream)(self.raw);
        }
    }
}

/// What a finished statement left: its output and what it read and wrote.
pub struct Output {
    api: &'static Api,
    raw: RawResult,
}

// SAFETY: a result belongs to nobody but its holder and does not change.
unsafe impl Send for Output {}

/// Rows and bytes a statement read and wrote.
#[derive(Debug, Clone, Copy, Default)]
pub struct Work {
    /// Rows read from tables and table functions.
    pub read_rows: u64,
    /// Their bytes, uncompressed.
    pub read_bytes: u64,
    /// Rows written, those of materialized views included.
    pub written_rows: u64,
    /// Their bytes, uncompressed.
    pub written_bytes: u64,
}

impl Output {
    /// The statement's output in the format it was asked for.
    pub fn bytes(&self) -> Bytes {
        // SAFETY: buffer and length belong together and live until `drop`.
        let data = unsafe {
            let length = (self.api.result_length)(self.raw);
            let start = (self.api.result_buffer)(self.raw);
            if start.is_null() { &[][..] } else { std::slice::from_raw_parts(start.cast::<u8>(), length) }
        };
        Bytes::copy_from_slice(data)
    }

    /// What the statement read and wrote.
    pub fn work(&self) -> Work {
        // SAFETY: plain reads of the result.
        unsafe {
            Work {
                read_rows: (self.api.result_storage_rows_read)(self.raw),
                read_bytes: (self.api.result_storage_bytes_read)(self.raw),
                written_rows: (self.api.result_rows_written)(self.raw),
                written_bytes: (self.api.result_bytes_written)(self.raw),
            }
        }
    }

    fn checked(self) -> Result<Self, Exception> {
        // SAFETY: a C string or null, alive until `drop`.
        match unsafe { text((self.api.result_error)(self.raw)) } {
            Some(error) => Err(Exception::from_engine(&error)),
            None => Ok(self),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // SAFETY: released once.
        unsafe { (self.api.destroy_query_result)(self.raw) };
    }
}

/// Values of `{name:Type}` placeholders, as escaped text; the engine reads them by the placeholder's type.
#[derive(Debug, Default)]
pub struct Parameters(Vec<(String, Vec<u8>)>);

impl Parameters {
    /// Adds one; of several with the same name the last one counts.
    pub fn push(&mut self, name: String, value: Vec<u8>) {
        self.0.push((name, value));
    }

    fn arrays(&self) -> Arrays {
        Arrays {
            names: self.0.iter().map(|(name, _)| name.as_ptr().cast()).collect(),
            name_lengths: self.0.iter().map(|(name, _)| name.len()).collect(),
            values: self.0.iter().map(|(_, value)| value.as_ptr().cast()).collect(),
            value_lengths: self.0.iter().map(|(_, value)| value.len()).collect(),
        }
    }
}

/// Pointers into a [`Parameters`], in the layout of the C interface.
struct Arrays {
    names: Vec<*const c_char>,
    name_lengths: Vec<usize>,
    values: Vec<*const c_char>,
    value_lengths: Vec<usize>,
}

/// The text at `pointer`, if there is one.
///
/// # Safety
/// `pointer` is null or a NUL-terminated string.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    if ptr::eq(pointer, ptr::null()) {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}
