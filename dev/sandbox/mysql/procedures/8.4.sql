-- The names that AWS documents for 8.4 and higher. The former ones are still there, as in the first releases of RDS's 8.4.

CREATE PROCEDURE mysql.rds_set_external_source(IN host VARCHAR(255), IN port INT, IN user TEXT, IN passwd TEXT, IN name TEXT, IN pos BIGINT UNSIGNED, IN enable_ssl_encryption TINYINT)
  CALL mysql.rds_change_master(host, port, user, passwd, name, pos, enable_ssl_encryption, NULL, FALSE)
$$
CREATE PROCEDURE mysql.rds_set_external_source_with_delay(IN host VARCHAR(255), IN port INT, IN user TEXT, IN passwd TEXT, IN name TEXT, IN pos BIGINT UNSIGNED, IN enable_ssl_encryption TINYINT, IN delay INT)
  CALL mysql.rds_change_master(host, port, user, passwd, name, pos, enable_ssl_encryption, delay, FALSE)
$$
CREATE PROCEDURE mysql.rds_set_external_source_with_auto_position(IN host VARCHAR(255), IN port INT, IN user TEXT, IN passwd TEXT, IN enable_ssl_encryption TINYINT, IN delay INT)
  CALL mysql.rds_change_master(host, port, user, passwd, NULL, NULL, enable_ssl_encryption, delay, TRUE)
$$
CREATE PROCEDURE mysql.rds_reset_external_source()
  CALL mysql.rds_reset_external_master()
$$
CREATE PROCEDURE mysql.rds_set_source_auto_position(IN auto_position_mode TINYINT)
  CALL mysql.rds_set_master_auto_position(auto_position_mode)
$$
CREATE PROCEDURE mysql.rds_next_source_log(IN curr_source_log INT)
  CALL mysql.rds_next_master_log(curr_source_log)
$$
