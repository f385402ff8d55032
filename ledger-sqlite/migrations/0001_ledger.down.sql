DROP TABLE checkpoints;
DROP TABLE events;
DROP TABLE requests;
DROP TABLE heads;

PRAGMA user_version = 0;
PRAGMA application_id = 0;
