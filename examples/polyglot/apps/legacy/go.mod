module example.com/polyglot/legacy

go 1.19
