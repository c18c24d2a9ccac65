//! The organisations that this process has met: each a small number, with its partition and zone.

use hashbrown::HashMap;
use warehouse::calendar::Tz;

/// Stands for an organisation inside this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrgNumber(u32);

/// All organisations met so far. About 100 bytes each.
#[derive(Debug, Default)]
pub struct Organisations {
    numbers: HashMap<Box<str>, OrgNumber>,
    known: Vec<Organisation>,
    zones: HashMap<Box<str>, Tz>,
}

#[derive(Debug)]
struct Organisation {
    id: Box<str>,
    zone: Tz,
}

impl Organisations {
    /// The number of an organisation, a new one where it was not met before.
    pub fn number(&mut self, org_id: &str) -> OrgNumber {
        if let Some(number) = self.numbers.get(org_id) {
            return *number;
        }
        let number = OrgNumber(self.known.len() as u32);
        let zone = self.zones.get(org_id).copied().unwrap_or_default();
        self.known.push(Organisation { id: org_id.into(), zone });
        self.numbers.insert(org_id.into(), number);
        number
    }

    /// Its identifier.
    pub fn id(&self, number: OrgNumber) -> &str {
        &self.known[number.0 as usize].id
    }

    /// Its zone; UTC where the directory names none.
    pub fn zone(&self, number: OrgNumber) -> Tz {
        self.known[number.0 as usize].zone
    }

    /// Its partition among so many.
    pub fn partition(&self, number: OrgNumber, partitions: u32) -> usize {
        proto::partition_of(self.id(number).as_bytes(), partitions) as usize
    }

    /// Takes over all zones as the directory tells them. A name that is no IANA zone counts as UTC, for readers too.
    pub fn set_zones(&mut self, zones: impl IntoIterator<Item = (String, String)>) {
        self.zones = zones
            .into_iter()
            .map(|(org_id, zone)| (org_id.into_boxed_str(), zone.parse().unwrap_or_default()))
            .collect();
        for organisation in &mut self.known {
            organisation.zone = self.zones.get(&organisation.id).copied().unwrap_or_default();
        }
    }
}
