// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Taking VRAM for a migration, and making room for it where VRAM is full.
 *
 * What others have is sent home, the least recently used of it first.  They may do the
 * same with what this call has brought, and may be faster in taking what it has made
 * room for: so it asks for more a number of times, and then takes what it got.  Pages
 * that another migration has taken and not yet used, and those that another one is just
 * sending home, cannot be had, but can be in a moment; that is waited for where there is
 * nothing at all, and with nothing in hand, so that two do not wait for each other.
 *
 * Locking: none of its own.  It must be done before mmap_lock is taken, and with no
 * lock held that a CPU fault needs.
 */
#include <linux/delay.h>
#include <linux/ktime.h>

#include "evict.h"
#include "migrate.h"
#include "svm_migrate.h"
#include "vram.h"

/* How often room is made that others take. */
#define SVM_ROOM_ROUNDS		8U

/* How long a call looks for room in all where there is none. */
#define SVM_ROOM_PATIENCE	ms_to_ktime(1000)

/* Whether others are moving pages that are neither free nor can make room now. */
static bool svm_others_move(const struct migrate_pool *pool)
{
	struct vram_usage usage;

	vram_read_usage(pool->vram, &usage);
	return usage.moving > pool->count * PAGE_SIZE;
}

/*
 * Have @want pages in the pool, and make room for those that are missing.  Returns whether
 * others were moving pages meanwhile.
 */
static bool svm_take_rounds(struct svm_migration *mig, struct migrate_pool *pool,
			    unsigned int want, bool huge, const struct evict_keep *keep)
{
	unsigned int round, missing;
	bool others = false;
	int ret = 0;

	for (round = 1;; round++) {
		migrate_pool_fill(pool, want, huge);
		if (pool->why != -ENOSPC || mig->no_evict || ret || round > SVM_ROOM_ROUNDS)
			break;
		/* Pages here and there are no place for 2 MiB, and may keep one from being. */
		if (huge)
			migrate_pool_drain(pool);
		/* Nobody has to go for what the user may not have. */
		missing = min_t(u64, want - pool->count, vram_may_take(pool->vram, pool->charge));
		if (!missing || (keep && missing < want - pool->count)) {
			pool->why = -EDQUOT;
			break;
		}
		others |= svm_others_move(pool);
		ret = evict_make_room(pool->vram, missing, keep);
		/* Who is done by now has left room, which is found next. */
		others |= svm_others_move(pool);
		huge = huge && !ret && round < SVM_ROOM_ROUNDS;
	}
	if (pool->why == -ENOSPC && (ret == -EINTR || ret == -ENOMEM))
		pool->why = ret;
	return others;
}

/**
 * svm_take_vram() - take pages of VRAM for a migration, making room for them if need be
 * @mig: migration
 * @pool: pool that is empty
 * @want: pages wanted
 * @huge: have those for a huge folio if possible; @want is VRAM_BLOCK_PAGES
 * @keep: all pages are wanted or none, and these are not to make room for them; or NULL
 *
 * @pool->why says why there are fewer: as vram_get_pages(); -EINTR also for a signal that
 * came while room was made, -ENOMEM also where there was no RAM for what was to go.  It is
 * 0 where some of them are had and there may be more the next time.
 *
 * Context: may sleep; mmap_lock not held.
 */
void svm_take_vram(struct svm_migration *mig, struct migrate_pool *pool, unsigned int want,
		   bool huge, const struct evict_keep *keep)
{
	ktime_t began;
	bool others, wait;

	do {
		began = ktime_get();
		others = svm_take_rounds(mig, pool, want, huge, keep);
		if (pool->why != -ENOSPC || mig->no_evict)
			return;
		wait = others && !mig->hasty && (keep || !pool->count);
		if (wait) {
			migrate_pool_drain(pool);
			usleep_range(500, 1000);
		} else if (others && pool->count && !keep) {
			pool->why = 0;
		}
		mig->no_room = ktime_add(mig->no_room, ktime_sub(ktime_get(), began));
		if (ktime_after(mig->no_room, SVM_ROOM_PATIENCE))
			mig->no_evict = true;
	} while (wait);
}
