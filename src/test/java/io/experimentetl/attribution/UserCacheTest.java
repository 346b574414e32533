package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.ref.WeakReference;
import org.junit.jupiter.api.Test;

class UserCacheTest {
  @Test
  void letsGoOfUsersThatWereWrittenBack() {
    UserCache cache = new UserCache(new KeptUsers(), 0);

    WeakReference<UserFacts> written = new WeakReference<>(cache.load("u"));
    cache.changed("u");
    assertThat(cache.users()).isZero();
    for (int i = 0; i < 50 && written.get() != null; i++) {
      System.gc();
    }

    assertThat(written.get()).isNull();
    cache.flush();
  }
}
