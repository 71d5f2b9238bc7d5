// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Pages of VRAM that are in use, single ones and huge folios: what is known of them,
 * and how they begin.
 *
 * A huge folio is a block, and the memory behind it is one folio as well.  When it is
 * to leave VRAM, that memory can take its place; the block is bare then.
 *
 * Locking: that of vram.c.  Who holds a page can read what is known of it.
 */
#include <linux/memremap.h>
#include <linux/pagemap.h>

#include "vram.h"
#include "vram_internal.h"

/**
 * vram_is_ours() - vram_has_page() for a page of some device
 * @page: page that the caller holds, or whose mapping it keeps from being invalidated
 */
bool vram_is_ours(const struct page *page)
{
	return (is_device_private_page(page) || is_device_coherent_page(page)) &&
	       page_pgmap(page)->owner == vram_owner();
}

/**
 * vram_is_coherent() - whether the CPU reaches VRAM like RAM
 * @vram: VRAM
 */
bool vram_is_coherent(const struct vram *vram)
{
	return vram->source->type == MEMORY_DEVICE_COHERENT;
}

/**
 * vram_of_page() - the VRAM that a device page belongs to
 * @page: page of this driver's; the caller holds a reference on it, or keeps
 *	its mapping from being invalidated
 */
struct vram *vram_of_page(const struct page *page)
{
	return vram_page_chunk(page)->vram;
}

/**
 * vram_page_data() - the memory behind a device page
 * @page: page that is taken
 *
 * Return: address of PAGE_SIZE bytes.
 */
void *vram_page_data(const struct page *page)
{
	unsigned int index;
	struct vram_part *part = vram_page_part(page, &index);

	return part->data + (size_t)index * PAGE_SIZE;
}

/**
 * vram_page_granularity() - how much a CPU fault on a page brings home
 * @page: page that went through vram_folio_init(); the caller holds a reference
 *
 * Return: log2 of a number of pages.
 */
u8 vram_page_granularity(const struct page *page)
{
	return FIELD_GET(VRAM_NOTE_GRANULARITY, vram_note(page));
}

/**
 * vram_page_is_held() - whether a CPU fault is to leave a page where it is, for now
 * @page: page that went through vram_folio_init(); the caller holds a reference
 */
bool vram_page_is_held(const struct page *page)
{
	return time_before64(get_jiffies_64(), FIELD_GET(VRAM_NOTE_UNTIL, vram_note(page)));
}

/**
 * vram_page_used() - the device uses a page: others had better go before it
 * @page: page that is taken; the caller holds it, or keeps its mapping from being invalidated
 *
 * Context: any.
 */
void vram_page_used(const struct page *page)
{
	unsigned int index;

	vram_alloc_use(&vram_page_part(page, &index)->block);
}

/**
 * vram_page_is_gone() - whether what was in a page has moved
 * @page: page that went through vram_folio_init(); its folio is locked
 *
 * Until the last reference goes, such a page looks as if it were still in use.
 */
bool vram_page_is_gone(const struct page *page)
{
	return vram_note(page) & VRAM_NOTE_GONE;
}

/**
 * vram_page_left() - what was in a page, or in a huge folio, has moved
 * @page: the page, or the folio's first; its folio is locked
 */
void vram_page_left(struct page *page)
{
	vram_set_note(page, vram_note(page) | VRAM_NOTE_GONE);
}

/**
 * vram_place_find() - find the block of a page
 * @place: place; says where that is afterwards
 * @page: page that is taken
 */
void vram_place_find(struct vram_place *place, struct page *page)
{
	unsigned int index;
	struct vram_part *part = vram_page_part(page, &index);

	place->first = page - index;
	place->data = part->data;
	place->chunk = part->chunk;
}

/**
 * vram_note_make() - what is to be known of pages
 * @stay: how they are to stay in VRAM
 *
 * Return: for vram_folio_init(), soon.
 */
u64 vram_note_make(const struct vram_stay *stay)
{
	u64 until = stay->slice_ms ? jiffies + msecs_to_jiffies(stay->slice_ms) : 0;

	return FIELD_PREP(VRAM_NOTE_GRANULARITY, stay->granularity) |
	       FIELD_PREP(VRAM_NOTE_UNTIL, until) |
	       FIELD_PREP(VRAM_NOTE_CHARGE, stay->charge->id);
}

/**
 * vram_folio_init() - make pages that were taken the target of a migration
 * @place: place, by which the page's data was had
 * @page: page from vram_get_pages(), or the first of vram_get_huge()
 * @order: 0, or VRAM_BLOCK_ORDER for a huge folio
 * @note: from vram_note_make()
 *
 * The folio comes back locked and with one reference, as migrate_vma_pages()
 * wants it.  From now on the memory manager frees it.
 */
void vram_folio_init(struct vram_place *place, struct page *page, unsigned int order, u64 note)
{
	vram_set_note(page, note);
	/* A page that was put once too often is in use by two, or soon will be. */
	WARN_ON_ONCE(page_count(page));
	zone_device_folio_init(page_folio(page), &place->chunk->pgmap, order);
}

/**
 * vram_lend_backing() - have the memory behind a huge folio at hand as a place for it
 * @page: first page of a huge folio that was taken out of use
 *
 * There may be no other 2 MiB of RAM in one piece, and a huge folio cannot always
 * be split.  The memory behind it has its contents already.
 *
 * Context: any.
 * Return: folio of system memory, locked and with a reference for the caller.  If it
 * takes the huge folio's place, vram_give_backing() must follow.
 */
struct folio *vram_lend_backing(struct page *page)
{
	struct folio *folio = vram_of_page(page)->source->folio(vram_page_data(page));

	folio_get(folio);
	WARN_ON_ONCE(!folio_trylock(folio));
	return folio;
}

/**
 * vram_give_backing() - a huge folio has moved
 * @page: its first page, which the caller keeps from being freed
 * @to: folio that has taken its place
 *
 * If that is the memory behind the huge folio, it is VRAM's no more.
 *
 * Context: any.
 */
void vram_give_backing(struct page *page, struct folio *to)
{
	struct vram *vram = vram_of_page(page);
	unsigned int index;
	struct vram_part *part = vram_page_part(page, &index);
	unsigned long flags;

	if (vram->source->folio(part->data) != to)
		return;
	part->data = NULL;
	spin_lock_irqsave(&vram->lock, flags);
	vram->backed_blocks--;
	spin_unlock_irqrestore(&vram->lock, flags);
	folio_put(to);
}
