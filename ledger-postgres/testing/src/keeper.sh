# Keeps a PostgreSQL server of its own for whoever holds the other end of this script's input, and leaves nothing behind
# when that process ends, however it ends: the input ends with it. Arguments: the folder of the programs, then settings.
umask 077
bin=$1
shift
folder=$(mktemp -d /tmp/payledger-XXXXXX) || exit 1
cd "$folder" || exit 1
printf '%s\n' "$folder"
children() { cat "/proc/$1/task/$1/children" 2>/dev/null; }

start() {
    "$bin/postgres" -D data >>log 2>&1 &
    server=$!
    until grep -qs '^ready' data/postmaster.pid; do
        if ! kill -0 "$server" 2>/dev/null; then
            tail -n 20 log | tr '\n' ' '
            echo
            return
        fi
        sleep 0.02
    done
    echo ready
}

# The order matters: a server that sees a child die tries to start anew.
crash() {
    all=$(children "$server")
    kill -KILL "$server" $all
    wait "$server" 2>/dev/null
    rm -f data/postmaster.pid
}

if "$bin/initdb" -D data -U postgres -A trust -E UTF8 --locale=C --no-sync --no-instructions >log 2>&1; then
    printf '%s\n' "unix_socket_directories = '$folder'" "$@" >>data/postgresql.conf
    start
else
    tr '\n' ' ' <log
    echo
fi

while read -r order; do
    case $order in
    crash) crash && echo crashed ;;
    start) start ;;
    esac
done

kill -QUIT "$server" 2>/dev/null && wait "$server" 2>/dev/null
cd / && rm -rf "$folder"
