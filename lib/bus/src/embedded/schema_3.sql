-- The embedded log, version 3: it knows itself from any other log, so that an archive can be told from whose it is.

CREATE TABLE identity (id TEXT NOT NULL);
INSERT INTO identity VALUES (lower(hex(randomblob(16))));
