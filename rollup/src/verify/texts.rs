//! Texts as small numbers, so that rows are compared and grouped without touching them.

use hashbrown::HashMap;

/// Every text met so far, once.
#[derive(Debug, Default)]
pub struct Texts {
    numbers: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
}

impl Texts {
    /// The number of a text. The engine keeps texts as bytes; those that are no UTF-8, which nothing of ours lets in,
    /// are told apart by their replacement characters only.
    pub fn number(&mut self, bytes: &[u8]) -> u32 {
        let text = String::from_utf8_lossy(bytes);
        if let Some(number) = self.numbers.get(&*text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.texts.push((*text).into());
        self.numbers.insert((*text).into(), number);
        number
    }

    /// The text of a number.
    pub fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }
}
