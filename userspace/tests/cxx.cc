// SPDX-License-Identifier: MIT
// The public header as C++ sees it: compiles, and its functions have C linkage.
#include <mockgpu.h>

int main()
{
	mockgpu_migrated moved = {};

	mockgpu_close(nullptr);
	return moved.count[MOCKGPU_PAGE_MOVED] != 0 ||
	       mockgpu_page_status_name(MOCKGPU_PAGE_MOVED)[0] != 'm';
}
