package io.experimentetl.cdc;

import io.debezium.connector.postgresql.connection.WalPositionLocator;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;

/**
 * Loads this JVM's class path again, with Debezium's own {@link WalPositionLocator} instead of
 * ours. It shares only the JDK's classes with the test.
 */
final class StockLocatorLoader extends URLClassLoader {

  private static final String LOCATOR = WalPositionLocator.class.getName();

  StockLocatorLoader() {
    super(
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator, -1))
            .map(StockLocatorLoader::url)
            .toArray(URL[]::new),
        getPlatformClassLoader());
  }

  private static URL url(String entry) {
    try {
      return Path.of(entry).toUri().toURL();
    } catch (MalformedURLException e) {
      throw new IllegalArgumentException(entry, e);
    }
  }

  @Override
  protected Class<?> findClass(String name) throws ClassNotFoundException {
    if (!name.equals(LOCATOR)) {
      return super.findClass(name);
    }
    try {
      for (URL copy : Collections.list(findResources(name.replace('.', '/') + ".class"))) {
        if (copy.getProtocol().equals("jar")) {
          try (InputStream stream = copy.openStream()) {
            byte[] stock = stream.readAllBytes();
            return defineClass(name, stock, 0, stock.length);
          }
        }
      }
    } catch (IOException e) {
      throw new ClassNotFoundException(name, e);
    }
    throw new ClassNotFoundException(name + " is in no jar of the class path");
  }
}
