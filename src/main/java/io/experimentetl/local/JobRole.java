package io.experimentetl.local;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * The role with which the job reads PostgreSQL. It is never a superuser: the role of sql/postgres
 * has only the rights that are listed there.
 */
final class JobRole {
  private static final String NAME = "experiment_etl";

  private final PostgresEndpoint given;
  private final boolean superuser;
  private final boolean existed;

  private JobRole(PostgresEndpoint given, boolean superuser, boolean existed) {
    this.given = given;
    this.superuser = superuser;
    this.existed = existed;
  }

  /** Looks at the server before sql/postgres is applied. */
  static JobRole before(PostgresEndpoint given) {
    try (Connection connection = given.connect();
        Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),"
                    + " EXISTS (SELECT FROM pg_roles WHERE rolname = '"
                    + NAME
                    + "')")) {
      row.next();
      return new JobRole(given, row.getBoolean(1), row.getBoolean(2));
    } catch (SQLException e) {
      throw new PlatformException("PostgreSQL " + given + " refused: " + e.getMessage(), e);
    }
  }

  /** Whether the given role may apply sql/postgres. */
  boolean mayApplySql() {
    return superuser;
  }

  /** The job's login on a server of our own. */
  static PostgresEndpoint onOwnServer(PostgresEndpoint superuser) {
    setPassword(superuser, superuser.password());
    return login(superuser, superuser.password());
  }

  /**
   * The job's login on a server of others, after sql/postgres was applied: the given role, or for a
   * superuser the role of sql/postgres.
   *
   * @param directory keeps that role's password for the next start
   * @throws PlatformException when the role existed before and its password is not known
   */
  PostgresEndpoint onGivenServer(Path directory) {
    if (!superuser) {
      return given;
    }
    String password = ServerIdentity.of(directory.resolve("job-role")).password();
    PostgresEndpoint own = login(given, password);
    if (existed && !accepts(own)) {
      throw new PlatformException(
          "%s is a superuser, and the job does not run as one. Its role %s exists there already, with a password that this platform does not know: name that role in --postgres-url, with its password in the environment"
              .formatted(given, NAME));
    }
    if (!existed) {
      setPassword(given, password);
    }
    return own;
  }

  private static PostgresEndpoint login(PostgresEndpoint server, String password) {
    return new PostgresEndpoint(server.host(), server.port(), server.database(), NAME, password);
  }

  private static boolean accepts(PostgresEndpoint login) {
    try (Connection connection = login.connect()) {
      return connection.isValid(5);
    } catch (SQLException e) {
      return false;
    }
  }

  private static void setPassword(PostgresEndpoint superuser, String password) {
    try (Connection connection = superuser.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("ALTER ROLE " + NAME + " PASSWORD '" + password + "'");
    } catch (SQLException e) {
      throw new PlatformException(
          "the role " + NAME + " of " + superuser + " gets no password: " + e.getMessage(), e);
    }
  }
}
