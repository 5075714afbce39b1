# What a crate offers, from the pages rustdoc wrote about it: `Type::function`, and `Type: Trait` where there is
# something to call.

# Without generics, but `From` says from what.
function plain(name) {
    gsub(/%3C/, "<", name); gsub(/%3E/, ">", name)
    if (name !~ /^From</) sub(/<.*/, "", name)
    return name
}

FNR == 1 {
    split(FILENAME, parts, "/")
    split(parts[length(parts)], page, ".")
    implements = 0
}
{
    rest = $0
    while (match(rest, /id="[^"]*"/)) {
        id = substr(rest, RSTART + 4, RLENGTH - 5)
        rest = substr(rest, RSTART + RLENGTH)
        # From here on it is every type's.
        if (id == "synthetic-implementations" || id == "blanket-implementations") nextfile
        if (id ~ /^impl-.*-for-/) {
            implements = 1
            trait = type = substr(id, 6)
            sub(/-for-.*/, "", trait)
            sub(/.*-for-/, "", type)
            if (trait !~ /^(Copy|Eq|StructuralPartialEq)$/) print plain(type) ": " plain(trait)
        } else if (id ~ /^impl-/) {
            implements = 0
        } else if (id ~ /^method\./ && !implements) {
            print page[2] "::" substr(id, 8)
        }
    }
}
