// What spares a reload. Everything works without it.
