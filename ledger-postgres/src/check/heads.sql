-- The ledgers whose head is not at their last request and event. Each index is asked for one ledger after another.
WITH RECURSIVE of_events (ledger) AS (
    SELECT min(ledger) FROM payledger.events
    UNION ALL
    SELECT (SELECT min(e.ledger) FROM payledger.events AS e WHERE e.ledger > of_events.ledger)
        FROM of_events
        WHERE ledger IS NOT NULL
), of_requests (ledger) AS (
    SELECT min(ledger) FROM payledger.requests
    UNION ALL
    SELECT (SELECT min(r.ledger) FROM payledger.requests AS r WHERE r.ledger > of_requests.ledger)
        FROM of_requests
        WHERE ledger IS NOT NULL
), named AS (
    SELECT ledger FROM of_events
    UNION
    SELECT ledger FROM of_requests
    UNION
    SELECT ledger FROM payledger.heads
)
SELECT n.ledger
    FROM named AS n
        LEFT JOIN payledger.heads AS h ON h.ledger = n.ledger
        LEFT JOIN LATERAL (
            SELECT first_sequence + size - 1 AS last, link, recorded_at_us
                FROM payledger.requests AS r
                WHERE r.ledger = n.ledger
                ORDER BY first_sequence DESC
                LIMIT 1
        ) AS r ON true
    WHERE n.ledger IS NOT NULL
        AND (h.sequence IS DISTINCT FROM
                coalesce((SELECT max(sequence) FROM payledger.events AS e WHERE e.ledger = n.ledger), 0)
            OR h.sequence > 0
                AND (h.sequence, h.link, h.recorded_at_us) IS DISTINCT FROM (r.last, r.link, r.recorded_at_us)
            OR h.sequence = 0
                AND r.last IS NOT NULL)
    ORDER BY 1
