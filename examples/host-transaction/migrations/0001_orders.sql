-- The shop's own table. What the sellers get of it is the ledger's, in a schema of its own.
CREATE TABLE orders (
    number   text   PRIMARY KEY,
    key      text   NOT NULL UNIQUE,
    payee    text   NOT NULL,
    amount   bigint NOT NULL, -- in minor units
    currency text   NOT NULL,
    day      date   NOT NULL
);
