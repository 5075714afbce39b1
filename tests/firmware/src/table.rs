//! What is printed.

use crate::elf::Sizes;

/// One image.
#[derive(Clone, Default)]
pub(crate) struct Row {
    pub(crate) image: &'static str,
    pub(crate) sizes: Sizes,
    /// The most stack it used, in bytes.
    pub(crate) stack: u32,
    /// Messages a second, several under way. 0 where it is not measured.
    pub(crate) rate: f64,
    /// One message there and back, in seconds. 0 where it is not measured.
    pub(crate) round_trip: f64,
    /// The instructions of that. 0 where they are not counted.
    pub(crate) instructions: u32,
}

impl Row {
    pub(crate) fn new(image: &'static str) -> Row {
        Row { image, ..Row::default() }
    }
}

/// Prints the table.
pub(crate) fn print(rows: &[&Row], instructions: u32) {
    println!();
    println!(
        "image         text    data     bss   stack  messages/s  round trip  instructions of it"
    );
    let mut baseline = None;
    for row in rows {
        let Sizes { text, data, bss } = row.sizes;
        let speed = match row.round_trip > 0.0 {
            true => {
                let micros = format!("{:.0} µs", row.round_trip * 1e6);
                let instructions = match row.instructions {
                    0 => "-".to_owned(),
                    count => count.to_string(),
                };
                format!("{:>11.0} {micros:>11} {instructions:>19}", row.rate)
            }
            false => format!("{:>11} {:>11} {:>19}", "-", "-", "-"),
        };
        let (image, stack) = (row.image, row.stack);
        println!("{image:8} {text:9} {data:7} {bss:7} {stack:7} {speed}");
        let base = *baseline.get_or_insert(*row);
        if row.image == "echo" {
            let more = |value: u32, than: u32| i64::from(value) - i64::from(than);
            println!(
                "{:8} {:+9} {:+7} {:+7} {:+7} {:>10.2}x {:>10.2}x {:>18.2}x",
                " - base",
                more(text, base.sizes.text),
                more(data, base.sizes.data),
                more(bss, base.sizes.bss),
                more(stack, base.stack),
                row.rate / base.rate,
                row.round_trip / base.round_trip,
                f64::from(row.instructions) / f64::from(base.instructions),
            );
        }
    }
    println!();
    println!(
        "one message of 64 bytes, posted, framed in and dispatched: {instructions} instructions"
    );
}
