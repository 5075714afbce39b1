//! The chart: a panel for each kind of figure, a line for each contender.

use super::grouped;
use crate::Outcome;
use crate::contenders::Contender;
use crate::row::{Row, Unit};
use crate::setting::{Placement, Transport};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

const WIDTH: u32 = 1_200;
const PANEL_HEIGHT: u32 = 380;
const TITLE_HEIGHT: u32 = 70;
/// Between two places of the horizontal axis.
const COLUMN: i32 = 100;
const FONT: &str = "sans-serif";
const MARGIN: i32 = 20;
/// The radius of a point.
const DOT: i32 = 5;
const INK: RGBColor = RGBColor(0x33, 0x3a, 0x45);
const GRID: RGBColor = RGBColor(0xe3, 0xe6, 0xea);

/// Some rows of one kind, which differ in their parameter.
struct Panel {
    title: &'static str,
    what: &'static str,
    transport: Transport,
    placement: Placement,
    /// What the parameter is in.
    of: &'static str,
}

const PANELS: [Panel; 6] = [
    Panel::new("Round trip, TCP, both ends on one core", "round trip, p50", Transport::Tcp),
    Panel::new("Round trip, Unix socket, both ends on one core", "round trip, p50", Transport::Uds),
    Panel::new("One-way stream, TCP: messages a second", "one-way stream", Transport::Tcp).apart(),
    Panel::new("One-way stream, Unix socket: messages a second", "one-way stream", Transport::Uds)
        .apart(),
    Panel::new(
        "Requests in flight, TCP, 64 bytes: answers a second",
        "requests, 64 B",
        Transport::Tcp,
    )
    .apart()
    .over("in flight"),
    Panel::new(
        "Round trip beside idle channels, TCP, 64 bytes",
        "round trip, 64 B, p50",
        Transport::Tcp,
    )
    .over("idle"),
];

impl Panel {
    const fn new(title: &'static str, what: &'static str, transport: Transport) -> Panel {
        let placement = Placement::OneCore;
        Panel { title, what, transport, placement, of: "B" }
    }

    /// Both ends have a core.
    const fn apart(self) -> Panel {
        Panel { placement: Placement::TwoCores, ..self }
    }

    const fn over(self, of: &'static str) -> Panel {
        Panel { of, ..self }
    }

    fn rows<'a>(&self, rows: &'a [Row]) -> Vec<&'a Row> {
        let fits = |row: &&Row| {
            row.what == self.what
                && row.parameter.1 == self.of
                && row.setting.is_some_and(|setting| {
                    (setting.transport, setting.placement) == (self.transport, self.placement)
                })
        };
        rows.iter().filter(fits).collect()
    }
}

/// Draws what there is; panels without rows stay away.
pub(super) fn write(rows: &[Row], path: &Path) -> Outcome {
    let panels: Vec<_> = PANELS
        .iter()
        .map(|panel| (panel, panel.rows(rows)))
        .filter(|(_, rows)| rows.len() > 1)
        .collect();
    let lines = panels.len().div_ceil(2);
    if lines == 0 {
        return Ok(());
    }
    let height = TITLE_HEIGHT + PANEL_HEIGHT * u32::try_from(lines)?;
    let root = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (top, rest) = root.split_vertically(TITLE_HEIGHT);
    legend(&top)?;
    for ((panel, rows), area) in panels.iter().zip(rest.split_evenly((lines, 2))) {
        draw(panel, rows, &area)?;
    }
    root.present()?;
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, X, Y> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>;

/// The title, and which line is whose.
fn legend(area: &Area<'_>) -> Outcome {
    let y = TITLE_HEIGHT as i32 / 2;
    let beside = Pos::new(HPos::Left, VPos::Center);
    let title = bold(24).pos(beside);
    area.draw(&Text::new("tofu beside what one would pick instead", (MARGIN, y), title))?;
    let contenders = Contender::BUILT.iter().rev();
    for (x, &contender) in (WIDTH as i32 / 2 + 20..).step_by(130).zip(contenders) {
        let line = style(contender);
        area.draw(&PathElement::new([(x, y), (x + 30, y)], line))?;
        area.draw(&Circle::new((x + 15, y), DOT, line.filled()))?;
        let name = text(17, &INK).pos(beside);
        area.draw(&Text::new(contender.to_string(), (x + 38, y), name))?;
    }
    Ok(())
}

fn draw(panel: &Panel, rows: &[&Row], area: &Area<'_>) -> Outcome {
    area.draw(&Text::new(panel.title, (MARGIN, MARGIN), bold(18)))?;
    let (low, high) = bounds(rows);
    let places: Vec<_> = (0..rows.len()).map(|column| column as i32 * COLUMN).collect();
    let end = places.last().copied().unwrap_or_default() + COLUMN / 3;
    let unit = if rows[0].unit == Unit::Nanoseconds { Unit::Nanoseconds } else { Unit::PerSecond };
    let mut chart = ChartBuilder::on(area)
        .margin(MARGIN)
        .margin_top(MARGIN + 36)
        .x_label_area_size(34)
        .y_label_area_size(76)
        .build_cartesian_2d(
            (-COLUMN / 3..end).with_key_points(places.clone()),
            (low..high).log_scale().with_key_points(ticks(low, high)),
        )?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(text(15, &INK))
        .x_label_formatter(&|place| {
            let row = rows.get((place / COLUMN) as usize);
            row.map(|row| label(row.parameter)).unwrap_or_default()
        })
        .y_label_formatter(&|value| short(unit, *value))
        .draw()?;
    for &contender in Contender::BUILT {
        let points: Vec<_> = places
            .iter()
            .zip(rows)
            .filter_map(|(&place, row)| Some((place, point(row, contender)?)))
            .collect();
        let line = style(contender);
        chart.draw_series(LineSeries::new(points.clone(), line))?;
        chart.draw_series(points.iter().map(|&at| Circle::new(at, DOT, line.filled())))?;
    }
    name_values(&mut chart, &places, rows, unit)
}

/// Writes tofu's values beside its points, on the side where the others are farther away.
fn name_values<X, Y>(
    chart: &mut Chart<'_, X, Y>,
    places: &[i32],
    rows: &[&Row],
    unit: Unit,
) -> Outcome
where
    X: Ranged<ValueType = i32>,
    Y: Ranged<ValueType = f64>,
{
    let color = color(Contender::Tofu);
    let points = places.iter().zip(rows).filter_map(|(&place, row)| {
        let value = point(row, Contender::Tofu)?;
        let others = Contender::BUILT.iter().filter(|&&other| other != Contender::Tofu);
        let nearest = others
            .filter_map(|&other| Some(point(row, other)? / value))
            .min_by(|one, other| one.ln().abs().total_cmp(&other.ln().abs()));
        let below = nearest.is_some_and(|factor| factor > 1.0);
        let middle = if below { 4 * DOT } else { -4 * DOT };
        let label = unit.show(value);
        // So that lines behind it do not cross it out; wide enough for most fonts.
        let half = (4 * label.chars().count() as i32, 9);
        let corners = [(-half.0, middle - half.1), (half.0, middle + half.1)];
        let style = text(14, &color).pos(Pos::new(HPos::Center, VPos::Center));
        Some(
            EmptyElement::at((place, value))
                + Rectangle::new(corners, WHITE.mix(0.75).filled())
                + Text::new(label, (0, middle), style),
        )
    });
    chart.draw_series(points)?;
    Ok(())
}

fn text(size: i32, color: &RGBColor) -> TextStyle<'_> {
    TextStyle::from((FONT, size)).color(color)
}

fn bold(size: i32) -> TextStyle<'static> {
    TextStyle::from((FONT, size).into_font().style(FontStyle::Bold)).color(&INK)
}

/// A contender's value; messages where it is in bytes.
fn point(row: &Row, contender: Contender) -> Option<f64> {
    let value = row.value(contender)?;
    Some(if row.unit == Unit::BytesPerSecond { value / row.parameter.0 as f64 } else { value })
}

/// Round numbers around all values.
fn bounds(rows: &[&Row]) -> (f64, f64) {
    let points = rows
        .iter()
        .flat_map(|row| Contender::BUILT.iter().filter_map(|&contender| point(row, contender)));
    let (low, high) = points.fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let steps = steps(low / 10.0, high * 10.0, &[1.0, 2.0, 5.0]);
    let below = steps.iter().rev().find(|&&step| step < low * 0.9);
    let above = steps.iter().find(|&&step| step > high * 1.25);
    (below.copied().unwrap_or(low), above.copied().unwrap_or(high))
}

/// 1, 2 and 5 times the powers of 10 between two values; the powers alone where these are many.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let wide = high / low > 500.0;
    steps(low, high, if wide { &[1.0] } else { &[1.0, 2.0, 5.0] })
}

fn steps(low: f64, high: f64, digits: &[f64]) -> Vec<f64> {
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let steps = powers.flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)));
    steps.filter(|step| (low * 0.999..high * 1.001).contains(step)).collect()
}

/// A value of an axis, which has but one digit.
fn short(unit: Unit, value: f64) -> String {
    let (scales, end): ([(f64, &str); 3], _) = match unit {
        Unit::Nanoseconds => ([(1e6, " ms"), (1e3, " µs"), (1.0, " ns")], ""),
        _ => ([(1e6, " M"), (1e3, " k"), (1.0, "")], "/s"),
    };
    let scale = scales.iter().find(|(scale, _)| value >= scale * 0.999);
    let (scale, name) = scale.copied().unwrap_or((1.0, ""));
    format!("{:.0}{name}{end}", value / scale)
}

/// A parameter, as the axis has it.
fn label((number, of): (u64, &str)) -> String {
    match (number, of) {
        (1_024.., "B") if number % 1_024 == 0 => format!("{} KiB", number / 1_024),
        _ => format!("{} {of}", grouped(number)),
    }
}

fn color(contender: Contender) -> RGBColor {
    match contender {
        Contender::Raw => RGBColor(0x8a, 0x93, 0x9e),
        Contender::Zmq => RGBColor(0xd9, 0x6c, 0x3a),
        Contender::Nng => RGBColor(0x8c, 0x6b, 0xb1),
        Contender::Polled => RGBColor(0xc4, 0xc9, 0xd0),
        Contender::Tofu => RGBColor(0x1b, 0x6e, 0xc2),
    }
}

fn style(contender: Contender) -> ShapeStyle {
    let width = if contender == Contender::Tofu { 4 } else { 2 };
    color(contender).stroke_width(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!(ticks(10.0, 100.0), [10.0, 20.0, 50.0, 100.0]);
        assert_eq!(ticks(1e3, 1e7), [1e3, 1e4, 1e5, 1e6, 1e7]);
        assert_eq!(short(Unit::Nanoseconds, 20_000.0), "20 µs");
        assert_eq!(short(Unit::PerSecond, 2e6), "2 M/s");
        assert_eq!([(0, "B"), (16_384, "B"), (8, "idle")].map(label), ["0 B", "16 KiB", "8 idle"]);
    }
}
