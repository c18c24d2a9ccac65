//! Headers of a consumed message, whatever their names are.
//!
//! rust-rdkafka 0.39 reads names as UTF-8 and panics on others, so one foreign message could stop a partition for
//! ever. Here a name is bytes.

use rdkafka::message::BorrowedMessage;
use rdkafka_sys as native;
use std::ffi::CStr;
use std::ptr;

/// One header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawHeader<'a> {
    /// Its name, which should be text but need not.
    pub name: &'a [u8],
    /// Its value, if it has one.
    pub value: Option<&'a [u8]>,
}

/// All headers of a message, in order.
pub fn headers_of<'a>(message: &'a BorrowedMessage<'_>) -> Vec<RawHeader<'a>> {
    let mut found = Vec::new();
    let mut list = ptr::null_mut();
    // SAFETY: the message is alive for 'a; librdkafka parses its headers at the first call and owns them as long as the
    // message lives, so names (zero-terminated) and values may be borrowed for 'a. An index past the end is an error
    // code, which ends the loop.
    unsafe {
        if native::rd_kafka_message_headers(message.ptr(), &mut list)
            != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            return found;
        }
        let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
        while native::rd_kafka_header_get_all(list, found.len(), &mut name, &mut value, &mut length)
            == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            let name = CStr::from_ptr(name).to_bytes();
            let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), length));
            found.push(RawHeader { name, value });
        }
    }
    found
}

/// The value of the last header of this name. The last counts, because ingest appends its own to those that are there.
pub fn last_value<'a>(headers: &[RawHeader<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().rev().find(|header| header.name == name.as_bytes())?.value
}
