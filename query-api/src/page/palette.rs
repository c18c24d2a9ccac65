//! Which of the eight colours a thing has. A colour belongs to the thing and not to its rank, so that a filter does not
//! repaint what stays.

use crate::labels::REASONS;

/// Colours of the palette, `c1` to `c8` in the style sheet.
const COLOURS: usize = 8;
/// The class of everything that is folded into one.
pub const OTHER: &str = "c0";
const CLASSES: [&str; COLOURS] = ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"];

/// Hands out colours for one chart.
#[derive(Debug, Default)]
pub struct Palette {
    taken: [bool; COLOURS],
    order: Vec<String>,
}

impl Palette {
    /// A palette that keeps the first colours for the known reasons.
    pub fn of_reasons() -> Self {
        let mut palette = Self::default();
        palette.taken.iter_mut().take(REASONS.len()).for_each(|taken| *taken = true);
        palette
    }

    /// A palette for things that appeared in this order: the first eight have a colour of their own.
    pub fn of_order(order: Vec<String>) -> Self {
        Self { taken: [false; COLOURS], order }
    }

    /// A palette for all there are, if each can have a colour of its own; else their names decide.
    pub fn of_few(all: &[&str]) -> Self {
        let order = if all.len() <= COLOURS { all } else { &[] };
        Self::of_order(order.iter().map(|name| (*name).to_owned()).collect())
    }

    /// The colour of a known reason.
    pub fn known_reason(code: &str) -> Option<&'static str> {
        let slot = REASONS.iter().position(|(known, _)| *known == code)?;
        CLASSES.get(slot).copied()
    }

    /// The colour that a thing's place in the order leads to, else its name, or the next free one. Give the things of a chart in an order of their
    /// own, not in that of their sums.
    pub fn class_of(&mut self, name: &str) -> &'static str {
        let place = self.order.iter().position(|known| known == name);
        let first = place.map_or_else(|| slot_of(name), |place| place % COLOURS);
        let slots = (first..COLOURS).chain(0..first);
        for slot in slots {
            if let (Some(taken @ false), Some(class)) = (self.taken.get_mut(slot), CLASSES.get(slot)) {
                *taken = true;
                return class;
            }
        }
        OTHER
    }
}

/// FNV-1a, folded.
fn slot_of(name: &str) -> usize {
    let hash = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = name.bytes().fold(0x811c_9dc5, hash);
    ((hash >> 16) ^ (hash & 0xffff)) as usize % COLOURS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_reasons_have_the_first_four_colours() {
        assert_eq!(Palette::known_reason("chat"), Some("c1"));
        assert_eq!(Palette::known_reason("classify_questions"), Some("c4"));
        assert_eq!(Palette::known_reason("new_one"), None);
        let class = Palette::of_reasons().class_of("new_one");
        assert!(["c5", "c6", "c7", "c8"].contains(&class), "{class}");
    }

    #[test]
    fn things_of_one_chart_have_different_colours_while_there_are_any() {
        let mut palette = Palette::default();
        let names: Vec<String> = (0..9).map(|number| format!("m-{number}")).collect();
        let mut classes: Vec<&str> = names.iter().map(|name| palette.class_of(name)).collect();
        assert_eq!(classes.pop(), Some(OTHER));
        classes.sort_unstable();
        assert_eq!(classes, CLASSES);
    }

    #[test]
    fn the_first_eight_keep_their_colours_whoever_is_shown() {
        let order: Vec<String> = (0..8).map(|number| format!("openai/gpt-{number}")).collect();
        let alone = Palette::of_order(order.clone()).class_of("openai/gpt-5");
        let mut palette = Palette::of_order(order.clone());
        let together: Vec<&str> = order.iter().map(|name| palette.class_of(name)).collect();
        assert_eq!(together, CLASSES);
        assert_eq!(alone, "c6");
    }

    #[test]
    fn few_keep_their_colours_whoever_is_shown() {
        let all: Vec<String> = (0..8).map(|number| format!("m-{number}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let mut palette = Palette::of_few(&all);
        let together: Vec<&str> = all.iter().map(|name| palette.class_of(name)).collect();
        assert_eq!(together, CLASSES);
        let alone = |name| Palette::of_few(&all).class_of(name);
        assert!(all.iter().zip(together).all(|(name, class)| alone(name) == class));
        let many = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        assert_eq!(Palette::of_few(&many).class_of("e"), Palette::default().class_of("e"));
    }

    #[test]
    fn a_thing_alone_always_has_the_same_colour() {
        assert_eq!(Palette::default().class_of("openai/gpt-6"), Palette::default().class_of("openai/gpt-6"));
    }
}
