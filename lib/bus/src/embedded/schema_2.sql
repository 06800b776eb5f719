-- The embedded log, version 2: the messages of each partition are a table of their own, `log_<id>`, made with the
-- partition. New messages then fill page after page at the end of its tree; in one tree for all, they split pages in the
-- middle.

DROP TABLE log;
