package io.experimentetl.clickhouse;

import java.io.IOException;
import java.io.Serializable;

/**
 * Where the password is found, an environment variable or a file. Only the place travels in the job
 * graph: the password is read by whoever connects, where it connects.
 */
@FunctionalInterface
public interface PasswordSource extends Serializable {

  /**
   * The password.
   *
   * @throws IOException or a runtime exception if it isn't where it should be; the message says
   *     what to do
   */
  String read() throws IOException;
}
