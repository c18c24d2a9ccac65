//! The C interface of `libchdb` 26.7, as far as this server uses it.

use std::ffi::{OsStr, c_char, c_int, c_void};

use libloading::Library;

/// A connection; the engine hands out a pointer to its pointer.
pub(super) type RawConnection = *mut c_void;
/// A result, or a piece of one.
pub(super) type RawResult = *mut c_void;
/// An open `INSERT` that takes data piece by piece.
pub(super) type RawInsert = *mut c_void;

type Texts = *const *const c_char;
type Lengths = *const usize;

/// Declares [`Api`] and its loading from one list, so that a name, its type and its symbol cannot drift apart.
macro_rules! api {
    ($($name:ident: fn($($arg:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions of the library, looked up once.
        pub(super) struct Api {
            $(pub(super) $name: unsafe extern "C" fn($($arg),*) $(-> $result)?,)*
        }

        impl Api {
            /// Loads the library at `path` and looks up every function.
            ///
            /// # Safety
            /// `path` must be `libchdb` with the interface of version 26.7: loading runs its initialisers, and
            /// a symbol of another type would be called with the wrong arguments.
            pub(super) unsafe fn load(path: &OsStr) -> Result<Self, libloading::Error> {
                // SAFETY: the caller vouches for the file and for the types of its symbols.
                unsafe {
                    let library = Library::new(path)?;
                    let api = Self { $($name: *library.get(concat!("chdb_", stringify!($name)).as_bytes())?,)* };
                    // Engine threads run in the library's code until the process ends: it is never unloaded.
                    std::mem::forget(library);
                    Ok(api)
                }
            }
        }
    };
}

api! {
    set_signal_handlers_enabled: fn(c_int);
    connect: fn(c_int, *mut *mut c_char) -> *mut RawConnection;
    close_conn: fn(*mut RawConnection);
    query_with_params_n: fn(RawConnection, *const c_char, usize, *const c_char, usize, Texts, Lengths, Texts, Lengths, usize) -> RawResult;
    stream_insert_with_params_n: fn(RawConnection, *const c_char, usize, *const c_char, usize, Texts, Lengths, Texts, Lengths, usize) -> RawInsert;
    stream_append: fn(RawInsert, *const c_void, usize) -> c_int;
    stream_done: fn(RawInsert) -> RawResult;
    stream_cancel_insert: fn(RawInsert);
    stream_insert_error: fn(RawInsert) -> *const c_char;
    destroy_insert_stream: fn(RawInsert);
    result_buffer: fn(RawResult) -> *const c_char;
    result_length: fn(RawResult) -> usize;
    result_error: fn(RawResult) -> *const c_char;
    result_storage_rows_read: fn(RawResult) -> u64;
    result_storage_bytes_read: fn(RawResult) -> u64;
    result_rows_written: fn(RawResult) -> u64;
    result_bytes_written: fn(RawResult) -> u64;
    destroy_query_result: fn(RawResult);
}
