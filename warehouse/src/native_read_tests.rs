use super::*;
use crate::native::{Column, DictionaryColumn, take_block};
use proptest::prelude::*;

/// A block as our own writer makes it, with an array behind it.
fn block(texts: &[String], values: &[u64], arrays: &[Vec<u64>]) -> Vec<u8> {
    let mut dictionary = DictionaryColumn::default();
    texts.iter().for_each(|text| {
        dictionary.push(text);
    });
    let mut fixed: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let columns = [
        ("text", Column::Dictionary(&mut dictionary)),
        ("value", Column::Fixed { data_type: "SimpleAggregateFunction(min, UInt64)", bytes: &mut fixed }),
    ];
    let mut bytes = take_block(texts.len(), columns).concat();
    bytes[0] = 3;
    bytes.extend_from_slice(b"\x05array\x0dArray(UInt64)");
    let ends = arrays.iter().scan(0, |end, array| {
        *end += array.len() as u64;
        Some(*end)
    });
    bytes.extend(ends.chain(arrays.iter().flatten().copied()).flat_map(u64::to_le_bytes));
    bytes
}

fn read(bytes: &[u8]) -> Result<NativeBlock, Stop> {
    Unfinished::default().read(&mut BytesMut::from(bytes))
}

fn column<'a>(block: &'a NativeBlock, name: &str) -> &'a NativeColumn {
    block.column(name).expect("a column")
}

fn texts_of(block: &NativeBlock) -> Vec<String> {
    let mut texts = Vec::new();
    let numbers = column(block, "text").numbers(|text| {
        texts.push(String::from_utf8_lossy(text).into_owned());
        texts.len() as u32 - 1
    });
    numbers.expect("texts").into_iter().map(|number| texts[number as usize].clone()).collect()
}

fn values_of(column: &NativeColumn) -> Vec<u64> {
    column.fixed::<8>("UInt64").expect("numbers").iter().map(|value| u64::from_le_bytes(*value)).collect()
}

fn arrays_of(block: &NativeBlock) -> Vec<Vec<u64>> {
    let (ends, elements) = column(block, "array").array().expect("an array");
    let elements = values_of(elements);
    let ends: Vec<usize> = ends.iter().map(|end| u64::from_le_bytes(*end) as usize).collect();
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| elements[start..*end].to_vec()).collect()
}

proptest! {
    #[test]
    fn what_was_written_is_read_in_whatever_pieces_it_comes(
        rows in prop::collection::vec(("[a-d]{0,2}", any::<u64>(), prop::collection::vec(any::<u64>(), 0..3)), 1..40),
        piece in 1usize..50,
    ) {
        let texts: Vec<String> = rows.iter().map(|(text, ..)| text.clone()).collect();
        let values: Vec<u64> = rows.iter().map(|(_, value, _)| *value).collect();
        let arrays: Vec<Vec<u64>> = rows.iter().map(|(.., array)| array.clone()).collect();
        let bytes = block(&texts, &values, &arrays);
        let (mut unfinished, mut unread, mut received) = (Unfinished::default(), BytesMut::new(), 0);
        let block = loop {
            match unfinished.read(&mut unread) {
                Ok(block) => break block,
                Err(Stop::Needs(more)) => {
                    prop_assert!(more > unread.len(), "asks for what is there");
                    prop_assert!(received < bytes.len(), "asks for more than was written");
                    let next = &bytes[received..bytes.len().min(received + piece)];
                    unread.extend_from_slice(next);
                    received += next.len();
                }
                Err(Stop::Broken(what)) => panic!("{what}"),
            }
        };
        prop_assert!(unread.is_empty());
        prop_assert_eq!(block.rows(), rows.len());
        prop_assert_eq!(texts_of(&block), texts);
        prop_assert_eq!(values_of(column(&block, "value")), values);
        prop_assert_eq!(arrays_of(&block), arrays);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), at in 0usize..120, byte: u8) {
        let _ = read(&bytes);
        let mut damaged = block(&["a".into(), "b".into()], &[1, 2], &[vec![], vec![3]]);
        let place = at % damaged.len();
        damaged[place] = byte;
        if let Ok(block) = read(&damaged)
            && let Ok(column) = block.column("text")
        {
            let _ = column.numbers(|_| 0);
        }
    }
}

#[test]
fn wide_dictionaries_have_wide_indexes() {
    for distinct in [256, 257, 65_537] {
        let texts: Vec<String> = (0..distinct).map(|number| number.to_string()).collect();
        let values = vec![0; texts.len()];
        let arrays = vec![Vec::new(); texts.len()];
        assert_eq!(texts_of(&read(&block(&texts, &values, &arrays)).expect("a block")), texts);
    }
}

#[test]
fn a_column_of_another_type_or_name_is_refused() {
    let block = read(&block(&["a".into()], &[1], &[vec![2]])).expect("a block");
    let said = |error: Error| error.to_string();
    assert!(said(block.column("other").unwrap_err()).contains("no column `other`"));
    assert!(said(column(&block, "value").fixed::<4>("UInt32").unwrap_err()).contains("UInt64 where UInt32"));
    assert!(said(column(&block, "text").array().unwrap_err()).contains("where Array"));
    assert!(said(column(&block, "value").numbers(|_| 0).unwrap_err()).contains("where LowCardinality"));
}

#[test]
fn a_type_that_no_table_of_ours_has_is_refused_by_name() {
    let broken = read(b"\x01\x01\x01x\x07Float64\0\0\0\0\0\0\0\0").unwrap_err();
    assert_eq!(broken, Stop::Broken("has `x` of type Float64, which is not known here".into()));
}
