-- What RDS keeps in the system schema. Statements end with a line "$$".
CREATE TABLE mysql.rds_configuration (
  name VARCHAR(100) NOT NULL PRIMARY KEY,
  value VARCHAR(100) NULL,
  description VARCHAR(300) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8
$$
INSERT INTO mysql.rds_configuration (name, value, description) VALUES
  ('binlog retention hours', NULL, 'binlog retention hours specifies the duration in hours before binary logs are automatically deleted.'),
  ('source delay', '0', 'source delay specifies replication delay in seconds between current instance and its master.'),
  ('target delay', '0', 'target delay specifies replication delay in seconds between current instance and its future read-replica.')
$$
CREATE TABLE mysql.rds_history (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  action_timestamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  called_by_user VARCHAR(352) NOT NULL,
  action VARCHAR(100) NOT NULL,
  mysql_version VARCHAR(50) NOT NULL,
  master_host VARCHAR(255) NULL,
  master_port INT NULL,
  master_user VARCHAR(96) NULL,
  master_log_file VARCHAR(512) NULL,
  master_log_pos BIGINT UNSIGNED NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8
$$
CREATE TABLE mysql.rds_replication_status (
  id TINYINT NOT NULL PRIMARY KEY DEFAULT 1,
  action_timestamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  called_by_user VARCHAR(352) NOT NULL,
  action VARCHAR(100) NOT NULL,
  mysql_version VARCHAR(50) NOT NULL,
  master_host VARCHAR(255) NULL,
  master_port INT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8
$$
-- The one named time zone that servers run in unless told otherwise.
INSERT INTO mysql.time_zone (Time_zone_id, Use_leap_seconds) VALUES (1, 'N')
$$
INSERT INTO mysql.time_zone_name (Name, Time_zone_id) VALUES ('UTC', 1)
$$
INSERT INTO mysql.time_zone_transition_type (Time_zone_id, Transition_type_id, Offset, Is_DST, Abbreviation) VALUES (1, 0, 0, 0, 'UTC')
$$
