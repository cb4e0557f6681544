-- The names that AWS documents for 8.4 and higher. The former ones are still there, as in the first releases of RDS's 8.4.

CREATE PROCEDURE mysql.rds_set_external_source(IN host VARCHAR(255), IN port INT, IN user TEXT, IN passwd TEXT, IN name TEXT, IN pos BIGINT UNSIGNED, IN enable_ssl_encryption TINYINT)
  CALL mysql.rds_set_external_master(host, port, user, passwd, name, pos, enable_ssl_encryption)
$$
CREATE PROCEDURE mysql.rds_reset_external_source()
  CALL mysql.rds_reset_external_master()
$$
