package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.lang.reflect.Field;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CompressedBodyTest {

  /** Flink loads a job's classes so. */
  @Test
  void nativeLibraryCompressesInAClassLoaderOfTheJob() throws Exception {
    List<URL> classPath = new ArrayList<>();
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
      classPath.add(Path.of(entry).toUri().toURL());
    }
    try (URLClassLoader job =
        new URLClassLoader(classPath.toArray(URL[]::new), ClassLoader.getPlatformClassLoader())) {
      Field factory = job.loadClass(CompressedBody.class.getName()).getDeclaredField("FACTORY");
      factory.setAccessible(true);

      assertThat(factory.get(null).getClass().getClassLoader()).isSameAs(job);
      assertThat(factory.get(null)).hasToString("LZ4Factory:JNI");
    }
  }

  @Test
  void framesAreDecompressedInTheirOrder() throws Exception {
    byte[] first = new byte[1000];
    byte[] second = new byte[50];
    new Random(1).nextBytes(second);
    CompressedBody body = new CompressedBody();
    body.append(first, first.length);
    body.append(second, second.length);

    assertThat(CompressedBody.decompress(body.toByteArray()))
        .startsWith(first)
        .endsWith(second)
        .hasSize(1050);
  }
}
