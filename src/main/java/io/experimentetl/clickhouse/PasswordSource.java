package io.experimentetl.clickhouse;

import java.io.IOException;
import java.io.Serializable;

/**
 * Where to read the password, for instance an environment variable or a file. The job graph
 * contains only the place; each process reads the password when it connects.
 */
@FunctionalInterface
public interface PasswordSource extends Serializable {

  /**
   * Reads the password.
   *
   * @throws IOException or a runtime exception if it cannot be read; the message contains the
   *     remedy
   */
  String read() throws IOException;
}
