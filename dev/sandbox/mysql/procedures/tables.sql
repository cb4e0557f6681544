-- What RDS keeps in the system schema. Statements end with a line "$$".
-- Columns of the history and of the status as in a dump of the mysql schema of an RDS 8.0.41 (2025-07): neither has a key.
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
  action_timestamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  called_by_user VARCHAR(352) NOT NULL,
  action VARCHAR(40) NULL,
  mysql_version VARCHAR(50) NOT NULL,
  master_host VARCHAR(255) NULL,
  master_port INT NULL,
  master_user VARCHAR(96) NULL,
  master_log_file VARCHAR(50) NULL,
  master_log_pos MEDIUMTEXT NULL,
  master_ssl TINYINT(1) NULL,
  master_delay INT NULL,
  auto_position TINYINT(1) NULL,
  master_gtid TEXT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8
$$
CREATE TABLE mysql.rds_replication_status (
  action_timestamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  called_by_user VARCHAR(352) NOT NULL,
  action VARCHAR(20) NOT NULL,
  mysql_version VARCHAR(50) NOT NULL,
  master_host VARCHAR(255) NULL,
  master_port INT NULL,
  replication_log_file TEXT NULL,
  replication_stop_point BIGINT NULL,
  replication_gtid TEXT NULL,
  channel_name VARCHAR(64) NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8
$$
-- The procedures only ever change this row.
INSERT INTO mysql.rds_replication_status (called_by_user, action, mysql_version, channel_name)
  VALUES ('rdsadmin@localhost', 'reset slave', VERSION(), '')
$$
CREATE TABLE mysql.rds_heartbeat2 (
  id INT NOT NULL PRIMARY KEY,
  value BIGINT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8
$$
CREATE TABLE mysql.rds_sysinfo (
  name VARCHAR(25) NULL,
  value VARCHAR(50) NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8
$$
CREATE TABLE mysql.rds_monitor (
  name VARCHAR(25) NULL,
  value VARCHAR(50) NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8
$$
-- Whose sessions rds_kill protects. Not among them: `system user` and event_scheduler.
CREATE TABLE mysql.rds_reserved_users (
  user CHAR(32) NOT NULL,
  host CHAR(60) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8
$$
INSERT INTO mysql.rds_reserved_users (user, host) VALUES
  ('rdsadmin', 'localhost'), ('rdsrepladmin', '%'),
  ('mysql.session', 'localhost'), ('mysql.sys', 'localhost'), ('mysql.infoschema', 'localhost')
$$
-- The sandbox's own: whether procedures pause as long as RDS's do, and which action is refused once, with which text. The host writes it, unlogged.
CREATE TABLE mysql.rds_sandbox (
  real_pauses BOOLEAN NOT NULL,
  refused VARCHAR(40) NULL,
  refusal VARCHAR(128) NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8
$$
INSERT INTO mysql.rds_sandbox (real_pauses) VALUES (TRUE)
$$
