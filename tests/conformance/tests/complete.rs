//! No scenario is written and forgotten in the list.

macro_rules! listed {
    ({} $($section:ident { $($scenario:ident)* } { $($bare:ident)* })*) => {
        const LISTED: &[(&str, &str, &[&str])] = &[$((
            stringify!($section),
            include_str!(concat!("../src/scenarios/", stringify!($section), ".rs")),
            &[$(stringify!($scenario),)* $(stringify!($bare),)*],
        )),*];
    };
}

tofu_conformance::scenarios!(listed, {});

#[test]
fn every_scenario_is_listed() {
    let modules = include_str!("../src/scenarios/mod.rs").matches("pub mod ").count();
    assert_eq!(LISTED.len(), modules);
    for (section, source, listed) in LISTED {
        let takes_a_world = |line: &&str| line.contains("World>(world: &W) {");
        let written: Vec<_> = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub fn "))
            .filter(takes_a_world)
            .filter_map(|line| line.split('<').next())
            .collect();
        let missing: Vec<_> = written.iter().filter(|name| !listed.contains(name)).collect();
        assert!(missing.is_empty() && written.len() == listed.len(), "{section}: {missing:?}");
    }
}
