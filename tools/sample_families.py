"""Writes the families of the sample book, `samples/*/families.csv`, the same ones on every run.

The people are fictitious: their names are roles with numbers, and dates of birth, salaries and postal codes come from a
seeded random generator. The files are committed as data, so run this only to change them.
"""

import csv
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from random import Random

SAMPLES = Path(__file__).parents[1] / "samples"
COLUMNS = (
    *("family", "role", "name", "born_on", "country", "postal_code", "regime", "employer", "employed_from"),
    *("status", "salary_minor", "attributes", "modules", "enrolled_from", "enrolled_to"),
)
FIRST_YEAR = 2025
STARTS = [date(FIRST_YEAR + month // 12, month % 12 + 1, 1) for month in range(18)]

Row = dict[str, str]
Family = list[Row]


def years_before(day: date, years: int, random: Random) -> date:
    """Returns a date of birth with which someone has completed exactly `years` years on a day."""
    return date.fromordinal(day.replace(year=day.year - years).toordinal() - random.randrange(364))


def people(random: Random, start: date, youngest: int, oldest: int, oldest_child: int) -> Family:
    """Returns a primary, perhaps a partner, and up to four children, the last of whom may be born after the start.

    Some families without children leave after a year. All days of a bounded span must be allowed, so nobody may reach
    an age limit in it; a year is also the Belgian commitment.
    """
    age = random.randint(youngest, oldest)
    family = [{"role": "PRIMARY", "born_on": str(years_before(start, age, random))}]
    if random.random() < 0.6:
        partner_age = min(max(age + random.randint(-4, 4), youngest), oldest)
        family.append({"role": "PARTNER", "born_on": str(years_before(start, partner_age, random))})
    children = random.choices(range(4), weights=(35, 20, 30, 15))[0] if age >= 26 else 0
    child_ages = range(max(0, age - 44), min(oldest_child, age - 22) + 1)
    for child_age in random.sample(child_ages, min(children, len(child_ages))):
        family.append({"role": "CHILD", "born_on": str(years_before(start, child_age, random))})
    if random.random() < 0.15 and age in range(26, 45):
        born = date(start.year, random.randint(start.month, 12), random.randint(2, 28))
        family.append({"role": "CHILD", "born_on": str(born)})
    family[1:] = sorted(family[1:], key=lambda row: (row["role"] == "CHILD", row["born_on"]))
    for row in family:
        row["enrolled_from"] = max(str(start), row["born_on"])
    if all(row["role"] != "CHILD" for row in family) and random.random() < 0.15:
        for row in family:
            row["enrolled_to"] = str(date.fromordinal(start.replace(year=start.year + 1).toordinal() - 1))
    return family


def employ(row: Row, random: Random, employer: str, start: date) -> None:
    row["employer"] = employer
    row["employed_from"] = str(date(start.year - random.randint(1, 12), random.randint(1, 12), 1))
    row["status"] = "LEAVE" if random.random() < 0.06 else "ACTIVE"
    row["salary_minor"] = str(random.randrange(24_000, 78_000, 250) * 100)


def live_at(family: Family, country: str, postal_code: str) -> None:
    for row in family:
        row |= {"country": country, "postal_code": postal_code}


def french(random: Random, start: date) -> Family:
    family = people(random, start, 21, 63, 24)
    alsatian = random.random() < 0.2
    department = random.choice(("57", "67", "68") if alsatian else ("13", "31", "33", "44", "59", "69", "75"))
    live_at(family, "FR", f"{department}{random.randrange(10) * 100:03}")
    employ(family[0], random, "SAMPLE-EMPLOYER-FR", start)
    if alsatian:
        regime = "ALSACE_MOSELLE" + (" from 2025-10-01" if random.random() < 0.2 else "")
        family = [row | {"regime": regime} for row in family]
    if family[-1]["role"] == "CHILD" and family[0]["born_on"] < str(start.year - 48):
        student = next(row for row in family if row["role"] == "CHILD")
        student |= {
            "born_on": str(years_before(start, random.randint(24, 27), random)),
            "attributes": "student=yes",
        }
    modules = "Base|Option" if random.random() < 0.55 else "Base"
    return [row | {"modules": modules} for row in family]


def canadian(random: Random, start: date) -> Family:
    family = people(random, start, 22, 62, 20)
    region = random.choice(("ON", "ON", "BC", "QC"))
    letter = random.choice({"ON": "KLMNP", "BC": "V", "QC": "GHJ"}[region])
    live_at(family, "CA", f"{letter}{random.randint(1, 9)}A {random.randint(1, 9)}B{random.randint(1, 9)}")
    employ(family[0], random, "SAMPLE-EMPLOYER-CA", start)
    health, dental = f"Health and travel {region}", f"Dental {region}"
    modules = random.choice((health, f"{health}|{dental}", f"{health}|{dental}", dental))
    return [row | {"modules": modules} for row in family]


def belgian(random: Random, start: date) -> Family:
    """Returns a family that has been with the employer for over a year, so each member may choose Comfort."""
    family = people(random, start, 21, 63, 24)
    live_at(family, "BE", f"{random.randint(1, 9)}{random.randrange(10)}00")
    employ(family[0], random, "SAMPLE-EMPLOYER-BE", start)
    family[0]["employed_from"] = str(date(start.year - random.randint(2, 12), random.randint(1, 12), 1))
    for row in family:
        row["modules"] = random.choice(("Hospital Essential", "Hospital Comfort"))
        row["modules"] += "|Ambulatory" if random.random() < 0.4 else ""
    return family


def spanish(random: Random, start: date) -> Family:
    family = people(random, start, 21, 70, 28)
    health = random.choice(("Salud Esencial", "Salud Completa")) + random.choice(("", "|Dental"))
    family = [row | {"modules": health} for row in family]
    enrolled = {key: family[0][key] for key in ("enrolled_from", "enrolled_to") if key in family[0]}
    if random.random() < 0.2 and len(family) < 5 and family[0]["born_on"] > str(start.year - 50):
        born_on = str(years_before(start, random.randint(70, 76), random))
        family.append({"role": "ASCENDANT", "born_on": born_on, "modules": "Salud Esencial"} | enrolled)
    if random.random() < 0.2 and len(family) < 6:
        born_on = str(years_before(start, random.randint(1, 12), random))
        family.append({"role": "PET", "born_on": born_on, "modules": "Mascotas"} | enrolled)
    live_at(family, "ES", f"{random.choice(('08', '28', '29', '41', '46', '48'))}{random.randrange(60):03}")
    return family


def named(code: str, number: int, family: Family) -> Iterator[Row]:
    """Yields the rows with names: 'Child 2 FR-017' is the second child of family FR-017."""
    seen: dict[str, int] = {}
    for row in family:
        rank = seen[row["role"]] = seen.get(row["role"], 0) + 1
        role = row["role"].capitalize() + (f" {rank}" if row["role"] == "CHILD" else "")
        yield row | {"family": f"{code}-{number:03}", "name": f"{role} {code}-{number:03}"}


def write(folder: str, code: str, count: int, draw: Callable[[Random, date], Family]) -> None:
    random = Random(code)
    with (SAMPLES / folder / "families.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        for number in range(1, count + 1):
            writer.writerows(named(code, number, draw(random, random.choice(STARTS))))


if __name__ == "__main__":
    write("france-branch-agreement", "FR", 120, french)
    write("canada-family-tiers", "CA", 100, canadian)
    write("belgium-illustrative", "BE", 60, belgian)
    write("spain-illustrative", "ES", 60, spanish)
