//! Texts as small numbers, so that rows are compared and grouped without touching them.

use hashbrown::HashMap;

/// Every text met so far, once.
#[derive(Debug, Default)]
pub struct Texts {
    numbers: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
    /// Texts of the present block by their place in memory: a block names each text once and refers to it row by row.
    of_block: HashMap<(usize, usize), u32>,
}

impl Texts {
    /// A new block: places in memory mean other texts from now on.
    pub fn begin_block(&mut self) {
        self.of_block.clear();
    }

    /// The number of a text that lies in the present block. The engine keeps texts as bytes; those that are no UTF-8,
    /// which nothing of ours lets in, are told apart by their replacement characters only.
    pub fn number(&mut self, bytes: &[u8]) -> u32 {
        let place = (bytes.as_ptr() as usize, bytes.len());
        if let Some(number) = self.of_block.get(&place) {
            return *number;
        }
        let text = String::from_utf8_lossy(bytes);
        let number = match self.numbers.get(&*text) {
            Some(number) => *number,
            None => {
                let number = self.texts.len() as u32;
                self.texts.push((*text).into());
                self.numbers.insert((*text).into(), number);
                number
            }
        };
        self.of_block.insert(place, number);
        number
    }

    /// The text of a number.
    pub fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }
}
