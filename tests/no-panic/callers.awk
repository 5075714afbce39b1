# Of a disassembly: the calls in the program's own functions from which `goal` can be reached through functions of
# the standard library. Each as its address; or as `-` and a name,
# for functions of the library that are called through a pointer.

/^[0-9a-f]+ <.*>:$/ {
    caller = $0
    sub(/^[0-9a-f]+ </, "", caller)
    sub(/>:$/, "", caller)
    next
}
/<.*>$/ && $2 ~ /^(call|j|b)/ {
    callee = $0
    sub(/^[^<]*</, "", callee)
    sub(/(\+0x[0-9a-f]+)?>$/, "", callee)
    if (callee == caller) next
    address = $1
    sub(/:$/, "", address)
    calls++
    from[calls] = caller; to[calls] = callee; at[calls] = address
    called[callee] = 1
}
END {
    for (name in called) if (name ~ goal) reaches[name] = 1
    do {
        changed = 0
        for (i = 1; i <= calls; i++) {
            if (to[i] in reaches && !(from[i] in reaches) && from[i] !~ /tofu_/) changed = reaches[from[i]] = 1
        }
    } while (changed)
    for (i = 1; i <= calls; i++) if (to[i] in reaches && from[i] ~ /tofu_/ && to[i] !~ /tofu_/) print at[i]
    for (name in reaches) if (!(name in called)) print "-", name
}
