package io.experimentetl.config;

/**
 * An error in a configuration.
 *
 * @param path of the key, with dots, or the name of the environment variable that overrides it
 * @param problem the problem, without the remedy
 * @param remedy the change that fixes it
 */
public record ConfigurationError(String path, String problem, String remedy) {
  @Override
  public String toString() {
    return path + ": " + problem + " " + remedy;
  }
}
