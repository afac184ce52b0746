-- Version 1 of the database of cases.

CREATE TABLE cases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    -- NULL for the threshold of the model.
    threshold REAL CHECK (threshold BETWEEN 0 AND 1),
    red_cells_per_microlitre REAL NOT NULL CHECK (red_cells_per_microlitre > 0),
    -- The model that computed the logits of the images.
    model_name TEXT NOT NULL,
    model_sha256 TEXT NOT NULL,
    -- Increases with every change of the images.
    images_version INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The files of a case. One that cannot be used has an error, and is not stored.
CREATE TABLE images (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id INTEGER NOT NULL REFERENCES cases ON DELETE CASCADE,
    name TEXT NOT NULL,
    kind TEXT CHECK (kind IN ('photograph', 'cell')),
    error TEXT,
    width INTEGER,
    height INTEGER,
    media_type TEXT,
    -- JSON: the photograph with its objects, or the logits of the cell.
    content TEXT,
    -- The last column, so that the others are read without it.
    bytes BLOB,
    CHECK ((error IS NULL) = (kind IS NOT NULL AND content IS NOT NULL AND bytes IS NOT NULL))
) STRICT;

CREATE INDEX images_of_case ON images (case_id);

CREATE TRIGGER image_added AFTER INSERT ON images BEGIN
    UPDATE cases SET images_version = images_version + 1 WHERE id = NEW.case_id;
END;
CREATE TRIGGER image_changed AFTER UPDATE ON images BEGIN
    UPDATE cases SET images_version = images_version + 1 WHERE id = NEW.case_id;
END;
CREATE TRIGGER image_deleted AFTER DELETE ON images BEGIN
    UPDATE cases SET images_version = images_version + 1 WHERE id = OLD.case_id;
END;

-- The log of verdicts. Rows are added only; they go with their image.
CREATE TABLE verdicts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id INTEGER NOT NULL REFERENCES cases ON DELETE CASCADE,
    image_id INTEGER NOT NULL REFERENCES images ON DELETE CASCADE,
    -- The place of the object in its image, from 1, and its box in pixels.
    number INTEGER NOT NULL,
    x INTEGER NOT NULL,
    y INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    -- NULL in a row that undoes another one.
    verdict TEXT CHECK (verdict IN ('parasitized', 'uninfected', 'not_a_cell', 'unsure', 'skip')),
    undoes INTEGER UNIQUE REFERENCES verdicts ON DELETE CASCADE,
    reviewer TEXT NOT NULL CHECK (length(reviewer) BETWEEN 1 AND 100),
    given_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    -- The client's name of the request, so that a request that is sent again adds no second row.
    client_key TEXT,
    UNIQUE (case_id, client_key),
    CHECK ((verdict IS NULL) = (undoes IS NOT NULL))
) STRICT;

CREATE INDEX verdicts_of_image ON verdicts (image_id);

CREATE TRIGGER verdicts_do_not_change BEFORE UPDATE ON verdicts BEGIN
    SELECT RAISE(ABORT, 'verdicts do not change');
END;
CREATE TRIGGER verdicts_stay BEFORE DELETE ON verdicts
WHEN EXISTS (SELECT 1 FROM cases WHERE id = OLD.case_id) AND EXISTS (SELECT 1 FROM images WHERE id = OLD.image_id)
BEGIN
    SELECT RAISE(ABORT, 'verdicts stay');
END;
