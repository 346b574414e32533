package io.experimentetl.local;

import java.io.File;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/** Builds the command line of another JVM with a part of this one's class path. */
public final class JavaCommand {
  private JavaCommand() {}

  public static String java() {
    return Path.of(System.getProperty("java.home"), "bin", "java").toString();
  }

  /** The jars and directories that these classes come from. */
  public static String classPathOf(Class<?>... classes) {
    return Arrays.stream(classes)
        .map(JavaCommand::sourceOf)
        .distinct()
        .collect(Collectors.joining(File.pathSeparator));
  }

  /** The jars of this JVM's class path whose file name passes. */
  public static List<Path> jars(Predicate<String> fileName) {
    List<Path> jars = new ArrayList<>();
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
      if (entry.endsWith(".jar") && fileName.test(Path.of(entry).getFileName().toString())) {
        jars.add(Path.of(entry).toAbsolutePath());
      }
    }
    return jars;
  }

  private static String sourceOf(Class<?> type) {
    try {
      return Path.of(
              Objects.requireNonNull(type.getProtectionDomain().getCodeSource())
                  .getLocation()
                  .toURI())
          .toString();
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }
}
