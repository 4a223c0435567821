"""The kinds of things that the generated shop sells, and the words and numbers that each is described with."""

from collections.abc import Mapping
from dataclasses import dataclass

Choices = tuple[str, ...] | tuple[int, ...] | tuple[float, ...] | tuple[bool, ...]


@dataclass(frozen=True)
class Family:
    """One kind of thing: `attributes` are chosen from, `traits` and `uses` become sentences, prices are whole cents."""

    category: str
    code: str
    noun: str
    cheapest: int
    dearest: int
    attributes: Mapping[str, Choices]
    traits: tuple[str, ...]
    uses: tuple[str, ...]


BRANDS = (
    "Auralen", "Brightmoor", "Calderon & Finch", "Dovetail", "Eldwin", "Fernhaven", "Gallowglass", "Halcyon Works",
    "Inkwell", "Juniper Row", "Kestrelle", "Lumenary", "Marrow & Pine", "Northquay", "Oakhollow", "Pellucid",
    "Quillon", "Rookwood", "Saltmarsh", "Tamarind Lane", "Umberfield", "Vantry", "Wrenfold", "Yarrowby", "Zephyrine",
)  # fmt: skip
SERIES = (
    "Pebble", "Harbor", "Drift", "Cinder", "Meadow", "Orbit", "Linden", "Atlas", "Ember", "Tide", "Sable", "Willow",
    "Comet", "Fjord", "Clover", "Beacon", "Thistle", "Nimbus", "Aster", "Granite",
)  # fmt: skip
COLOURS = (
    "Black", "White", "Slate Grey", "Forest Green", "Navy Blue", "Terracotta", "Sand", "Burgundy", "Mustard", "Teal",
)  # fmt: skip

FAMILIES = (
    Family(
        "Audio", "SPK", "Bluetooth Speaker", 1_990, 24_900,
        {"power_watts": (5, 10, 20, 30, 60), "battery_hours": (8, 12, 20, 24), "waterproof": (True, False)},
        ("full, even sound", "a passive bass radiator", "stereo pairing with a second speaker"),
        ("the kitchen shelf", "an evening at the lake", "a desk that is short of space"),
    ),
    Family(
        "Audio", "HPH", "Wireless Headphones", 3_900, 34_900,
        {"noise_cancelling": (True, False), "battery_hours": (20, 30, 40, 50), "fit": ("over-ear", "on-ear")},
        ("soft memory-foam cushions", "a calm, wide sound stage", "a fold-flat hinge"),
        ("long flights", "an open-plan office", "late films beside a sleeping house"),
    ),
    Family(
        "Audio", "EAR", "Earbuds", 1_900, 19_900,
        {"noise_cancelling": (True, False), "battery_hours": (5, 6, 8, 10), "sweat_proof": (True, False)},
        ("three sizes of silicone tips", "clear calls in the wind", "a case that fits a coin pocket"),
        ("the morning run", "the commute", "podcasts while cooking"),
    ),
    Family(
        "Computing", "KBD", "Mechanical Keyboard", 4_900, 19_900,
        {"switches": ("linear", "tactile", "clicky"), "layout": ("60%", "75%", "full size"), "wireless": (True, False)},
        ("hot-swappable switches", "double-shot keycaps", "a sound-damping plate"),
        ("long writing days", "a tidy desk", "people who type for a living"),
    ),
    Family(
        "Computing", "MOU", "Wireless Mouse", 1_490, 9_900,
        {"buttons": (3, 5, 6, 8), "dpi": (1600, 3200, 8000, 16000), "hand": ("right", "left", "either")},
        ("near-silent clicks", "a sculpted thumb rest", "a wheel that spins freely"),
        ("spreadsheets", "photo editing", "small hands"),
    ),
    Family(
        "Computing", "MON", "Monitor", 12_900, 89_900,
        {"inches": (24, 27, 32, 34), "resolution": ("1920x1080", "2560x1440", "3840x2160"), "hertz": (60, 144)},
        ("a factory-calibrated panel", "one-cable USB-C docking", "a stand that turns to portrait"),
        ("reading code", "colour work", "two documents side by side"),
    ),
    Family(
        "Computing", "HUB", "USB-C Hub", 1_990, 12_900,
        {"ports": (4, 6, 8, 11), "charging_watts": (60, 85, 100), "ethernet": (True, False)},
        ("a braided cable", "an aluminium shell", "ports far enough apart for thick plugs"),
        ("a laptop with too few sockets", "meeting rooms", "travel"),
    ),
    Family(
        "Lighting", "LMP", "Desk Lamp", 1_900, 14_900,
        {"lumens": (300, 450, 600, 900), "dimmable": (True, False), "base": ("clamp", "foot")},
        ("a counterbalanced arm", "light without flicker", "a warm glow at its lowest step"),
        ("reading in bed", "a workbench", "homework"),
    ),
    Family(
        "Lighting", "FLR", "Floor Lamp", 4_900, 29_900,
        {"height_cm": (140, 155, 170), "lumens": (800, 1200, 1600), "shade": ("linen", "metal", "paper")},
        ("a weighted foot", "a foot switch within easy reach", "a shade that throws light upward"),
        ("the corner by the sofa", "a hallway", "a reading chair"),
    ),
    Family(
        "Kitchen", "KTL", "Electric Kettle", 2_490, 15_900,
        {"litres": (0.8, 1.0, 1.5, 1.7), "temperature_steps": (1, 4, 6), "gooseneck": (True, False)},
        ("a lid that stays out of the steam", "a scale on both sides", "a base that winds up its cord"),
        ("pour-over coffee", "green tea", "a big family breakfast"),
    ),
    Family(
        "Kitchen", "GRD", "Coffee Grinder", 3_900, 39_900,
        {"burr": ("conical steel", "flat steel", "ceramic"), "settings": (18, 30, 40), "electric": (True, False)},
        ("an even grind", "a catch cup without static", "a hopper that lifts off with its beans"),
        ("espresso", "a cafetière on Sundays", "camping trips"),
    ),
    Family(
        "Kitchen", "PAN", "Frying Pan", 1_990, 16_900,
        {"diameter_cm": (20, 24, 28, 30), "material": ("cast iron", "carbon steel", "stainless"), "oven_safe": (True,)},
        ("a handle that stays cool", "a seasoned surface", "straight sides for sauces"),
        ("steak", "pancakes", "an open fire"),
    ),
    Family(
        "Kitchen", "KNF", "Chef's Knife", 2_900, 24_900,
        {"blade_cm": (16, 18, 20, 24), "steel": ("carbon", "stainless", "damascus"), "handle": ("walnut", "resin")},
        ("a thin, keen edge", "a full tang", "balance at the bolster"),
        ("vegetables", "fish", "a cook's first good knife"),
    ),
    Family(
        "Outdoor", "TNT", "Tent", 8_900, 59_900,
        {"persons": (1, 2, 3, 4), "weight_kg": (1.2, 1.9, 2.8, 4.1), "seasons": (3, 4)},
        ("poles that are colour-coded", "two porches", "taped seams"),
        ("a weekend in the hills", "cycling tours", "festival fields"),
    ),
    Family(
        "Outdoor", "BAG", "Backpack", 3_900, 24_900,
        {"litres": (18, 24, 35, 50, 65), "waterproof": (True, False), "laptop_sleeve": (True, False)},
        ("a back panel that breathes", "a lid with a hidden pocket", "straps that adjust on the move"),
        ("day hikes", "school", "a week with one bag"),
    ),
    Family(
        "Outdoor", "BTL", "Water Bottle", 1_290, 5_900,
        {"millilitres": (500, 750, 1000), "insulated": (True, False), "material": ("steel", "glass", "tritan")},
        ("a lid that cannot leak", "a wide mouth for ice", "a powder coat that grips"),
        ("the gym", "the office", "hot summers"),
    ),
    Family(
        "Outdoor", "HDL", "Headlamp", 1_990, 11_900,
        {"lumens": (200, 350, 500, 800), "rechargeable": (True, False), "red_light": (True, False)},
        ("a beam that reaches far", "one button for everything", "a strap that does not slip"),
        ("night runs", "changing a tyre", "early starts on the mountain"),
    ),
    Family(
        "Home", "CHR", "Office Chair", 12_900, 79_900,
        {"lumbar_support": (True, False), "headrest": (True, False), "load_kg": (110, 130, 150)},
        ("a mesh back", "arms that move four ways", "a tilt that follows you"),
        ("a home office", "long calls", "tall people"),
    ),
    Family(
        "Home", "BLK", "Wool Blanket", 4_900, 19_900,
        {"width_cm": (130, 140, 200), "wool": ("merino", "lambswool", "recycled"), "washable": (True, False)},
        ("a soft, dense weave", "whipped edges", "wool from a single farm"),
        ("the sofa", "a cold bedroom", "a picnic in autumn"),
    ),
    Family(
        "Home", "CLK", "Wall Clock", 1_990, 12_900,
        {"diameter_cm": (20, 25, 30, 40), "silent": (True, False), "dial": ("numbers", "lines", "blank")},
        ("hands that sweep without a tick", "a dial that reads across a room", "a solid beech rim"),
        ("the kitchen wall", "a classroom", "a waiting room"),
    ),
    Family(
        "Stationery", "NTB", "Notebook", 690, 3_900,
        {"pages": (96, 144, 192, 240), "ruling": ("dotted", "lined", "plain", "squared"), "size": ("A4", "A5", "A6")},
        ("paper that takes fountain-pen ink", "a spine that lies flat", "numbered pages"),
        ("lecture notes", "a daily journal", "sketches on the train"),
    ),
    Family(
        "Stationery", "PEN", "Fountain Pen", 1_990, 29_900,
        {"nib": ("extra fine", "fine", "medium", "broad"), "filling": ("converter", "piston", "cartridge")},
        ("a nib that starts at once", "a cap that posts", "a barrel of turned resin"),
        ("letters", "signing things that matter", "left-handed writers"),
    ),
    Family(
        "Toys", "BRD", "Board Game", 1_490, 7_900,
        {"players": (2, 4, 5, 6), "minutes": (20, 45, 60, 90), "age": (6, 8, 10, 12)},
        ("rules that fit on one page", "wooden pieces", "a board that unfolds like a map"),
        ("a rainy afternoon", "four friends and a pot of tea", "children against grown-ups"),
    ),
    Family(
        "Toys", "BLD", "Building Blocks", 1_990, 9_900,
        {"pieces": (40, 80, 120, 200), "material": ("beech", "maple", "cork"), "age": (2, 3, 5)},
        ("rounded corners", "colours made with water-based paint", "a cotton bag to keep them in"),
        ("tall towers", "little engineers", "a nursery floor"),
    ),
    Family(
        "Fitness", "MAT", "Yoga Mat", 1_990, 11_900,
        {"thickness_mm": (3, 4, 5, 6), "material": ("cork", "natural rubber", "TPE"), "length_cm": (173, 183, 200)},
        ("grip that stays when it is damp", "alignment lines", "a strap to carry it by"),
        ("hot yoga", "stretching after a run", "a small flat"),
    ),
)  # fmt: skip
