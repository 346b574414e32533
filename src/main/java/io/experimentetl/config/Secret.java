package io.experimentetl.config;

import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;

/**
 * Where a secret comes from, never the secret itself: it may travel in a job graph and be printed.
 * It is resolved on the machine that needs it.
 */
public final class Secret implements Serializable {
  private static final long serialVersionUID = 1L;

  private final String environmentVariable;
  private final String file;

  private Secret(String environmentVariable, String file) {
    this.environmentVariable = environmentVariable;
    this.file = file;
  }

  /** The value of an environment variable of the process that resolves it. */
  public static Secret fromEnvironment(String variable) {
    return new Secret(Objects.requireNonNull(variable), null);
  }

  /**
   * The content of a file, without the line break at its end. The same path is read on every
   * machine.
   */
  public static Secret fromFile(String file) {
    return new Secret(null, Objects.requireNonNull(file));
  }

  /**
   * Reads the secret.
   *
   * @throws IllegalStateException naming the variable or the file, and what to do, when it is not
   *     there
   */
  public String value() {
    return value(System.getenv());
  }

  String value(Map<String, String> environment) {
    if (file == null) {
      String value = environment.get(environmentVariable);
      if (value == null || value.isEmpty()) {
        throw new IllegalStateException(
            "The environment variable "
                + environmentVariable
                + " is not set: set it for the JobManager and every TaskManager, or name a file by the password-file key.");
      }
      return value;
    }
    String value;
    try {
      value = Files.readString(Path.of(file)).stripTrailing();
    } catch (IOException e) {
      throw new IllegalStateException(
          "The secret's file "
              + file
              + " cannot be read ("
              + e.getClass().getSimpleName()
              + "): put it there, readable, on the JobManager's and every TaskManager's machine.",
          e);
    }
    if (value.isEmpty()) {
      throw new IllegalStateException(
          "The secret's file " + file + " is empty: write the secret into it.");
    }
    return value;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Secret that
        && Objects.equals(environmentVariable, that.environmentVariable)
        && Objects.equals(file, that.file);
  }

  @Override
  public int hashCode() {
    return Objects.hash(environmentVariable, file);
  }

  @Override
  public String toString() {
    return file == null
        ? "secret of environment variable " + environmentVariable
        : "secret of file " + file;
  }
}
