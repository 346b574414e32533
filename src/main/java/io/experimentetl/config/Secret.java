package io.experimentetl.config;

import io.experimentetl.mapping.MaskKey;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;

/**
 * The place of a secret, never the secret itself, so that it can be part of a job graph and be
 * printed. The machine that needs the secret reads it there.
 */
public final class Secret implements MaskKey {
  private static final long serialVersionUID = 1L;

  private final String environmentVariable;
  private final String file;

  /** The key that names a file instead. */
  private final String fileKey;

  private Secret(String environmentVariable, String file, String fileKey) {
    this.environmentVariable = environmentVariable;
    this.file = file;
    this.fileKey = fileKey;
  }

  /**
   * The value of an environment variable of the process that reads the secret.
   *
   * @param fileKey the key of the same section that names a file instead
   */
  static Secret fromEnvironment(String variable, String fileKey) {
    return new Secret(Objects.requireNonNull(variable), null, fileKey);
  }

  /** The content of a file, without white space at its end. Every machine reads the same path. */
  public static Secret fromFile(String file) {
    return new Secret(null, Objects.requireNonNull(file), null);
  }

  /**
   * Reads the secret.
   *
   * @throws UnavailableException when the variable is not set, or the file is absent or empty
   */
  @Override
  public String value() {
    return value(System.getenv());
  }

  String value(Map<String, String> environment) {
    if (file == null) {
      String value = environment.get(environmentVariable);
      if (value == null || value.isEmpty()) {
        throw new UnavailableException(
            "The environment variable " + environmentVariable + " is not set.",
            "Set it for the JobManager and every TaskManager, or name a file with the key "
                + fileKey
                + ".",
            null);
      }
      return value;
    }
    String value;
    try {
      value = Files.readString(Path.of(file)).stripTrailing();
    } catch (IOException e) {
      throw new UnavailableException(
          "The secret's file " + file + " cannot be read (" + e.getClass().getSimpleName() + ").",
          "Create it, readable, on the JobManager's and every TaskManager's machine.",
          e);
    }
    if (value.isEmpty()) {
      throw new UnavailableException(
          "The secret's file " + file + " is empty.", "Write the secret into it.", null);
    }
    return value;
  }

  /** The secret is not where it should be. */
  public static final class UnavailableException extends IllegalStateException {
    private static final long serialVersionUID = 1L;
    private final String problem;
    private final String remedy;

    private UnavailableException(String problem, String remedy, IOException cause) {
      super(problem + " " + remedy, cause);
      this.problem = problem;
      this.remedy = remedy;
    }

    String problem() {
      return problem;
    }

    String remedy() {
      return remedy;
    }
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
